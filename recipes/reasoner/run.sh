#!/usr/bin/env bash
# run.sh [OUT] - a small reasoning model from nothing, in the order of R1: reading, cold start, rewards, then teaching of
# everything, export in FP8, held-out questions; see README.md beside it. Each stage goes on where it was interrupted and
# says at the end how long it took. From the repository's root, after make all recipes.
#
#   SEED=1 THREADS=2   READ=300 COLD=1600 REWARDED=25 TAUGHT=8000 POLISHED=2000 SETTLED=1000   steps; REWARDED=0: no rewards
#   TEXTS=20000 STARTERS=60000 CONVERSATIONS=200000 TASKS=20000 QUESTIONS=200   exercises of each; questions of each kind
set -euo pipefail
out=${1:-reasoner}
seed=${SEED:-1} threads=${THREADS:-2} hadal=${HADAL:-build/hadal} tasks=${EXERCISES:-build/reasoner-tasks}
here=$(dirname "$0")
mkdir -p "$out"

exercises() { # NAME SEED COUNT FORMAT [OPTIONS]
    local name=$1 number=$2 count=$3 format=$4
    shift 4
    [ -e "$out/$name.jsonl" ] && return
    "$tasks" --seed "$seed$number" --count "$count" --format "$format" "$@" > "$out/$name.part"
    mv "$out/$name.part" "$out/$name.jsonl"
}
train() { # STAGE OPTIONS
    local stage=$1 began=$SECONDS
    shift
    echo "== $stage"
    "$hadal" train "$@" --threads "$threads" --seed "$seed" --resume auto
    echo "== $stage: $(((SECONDS - began) / 60)) min $(((SECONDS - began) % 60)) s"
}
questions() { # MODEL FILES
    echo "== held-out questions: $1"
    "$here/questions.sh" "$@"
}
# Where examples teach: Muon, 2,048 tokens a step. Multi-token prediction is learnt last: all before is faster without it.
examples=(--optimizer muon --bias-rate 0.01 --sequence 512 --batch 4 --micro-batch 2 --warmup 20 --save-every 500 --keep 2)

exercises texts 1 "${TEXTS:-20000}" text
exercises starters 2 "${STARTERS:-60000}" messages
# More of what is learnt slowly, in conversations of several exchanges.
exercises conversations 3 "${CONVERSATIONS:-200000}" messages --turns 3 --mix addition=8,subtraction=12,product=5,product-3x2=6,product-3x3=8,division=22,chain=9,comparison=9,sorting=14,parity=6,ranking=9,story=7,talk=4
# What is still weak then.
exercises weak 8 "${CONVERSATIONS:-200000}" messages --turns 2 --mix addition=5,subtraction=9,product=4,product-3x2=5,product-3x3=7,division=30,chain=9,comparison=11,sorting=18,parity=9,ranking=10,story=6,talk=3
# All of it again, as it is asked in the end.
exercises settling 9 "${STARTERS:-60000}" messages --turns 2 --mix addition=16,subtraction=18,product=9,product-3x2=7,product-3x3=7,division=20,chain=9,comparison=6,sorting=10,parity=4,ranking=5,story=8,talk=5
exercises tasks 4 "${TASKS:-20000}" prompts --mix product-3x2,product-3x3
exercises checks 5 64 prompts --split held-out --mix product-3x2,product-3x3
kinds=$("$tasks" --list)
for kind in $kinds; do
    exercises "questions-$kind" 6 "${QUESTIONS:-200}" prompts --split held-out --mix "$kind"
done
exercises questions 7 "$((${QUESTIONS:-200} * 5))" prompts --split held-out
products=("$out"/questions-product-3x[23].jsonl)

train reading pretrain --config "$here/config.json" --tokenizer "$here/tokenizer" --data "$out/texts.jsonl" "${examples[@]}" \
    --lr 4e-3 --schedule constant --steps "${READ:-300}" --mtp-weight 0 --mtp-weight-late 0 -o "$out/read"
train "cold start" sft --init "$out/read/latest" --data "$out/starters.jsonl" "${examples[@]}" \
    --lr 4e-3 --schedule constant --steps "${COLD:-1600}" --mtp-weight 0 --mtp-weight-late 0 -o "$out/started"
ready=started
if [ "${REWARDED:-25}" -gt 0 ]; then
    questions "$out/started/latest" "${products[@]}"
    train rewards grpo --init "$out/started/latest" --data "$out/tasks.jsonl" --valid "$out/checks.jsonl" --valid-every 10 \
        --answer-tokens 224 --batch 32 --group 8 --lr 3e-4 --schedule constant --warmup 3 --weight-decay 0 \
        --steps "${REWARDED:-25}" --save-every 10 --keep 2 -o "$out/rewarded"
    questions "$out/rewarded/latest" "${products[@]}"
    ready=rewarded
fi
train teaching sft --init "$out/$ready/latest" --data "$out/conversations.jsonl" "${examples[@]}" \
    --lr 3e-3 --lr-floor 1e-4 --schedule wsd --steps "${TAUGHT:-8000}" --mtp-weight 0.3 --mtp-weight-late 0.3 -o "$out/taught"
train polishing sft --init "$out/taught/latest" --data "$out/weak.jsonl" "${examples[@]}" --lr 1.5e-3 --lr-floor 5e-5 \
    --schedule wsd --steps "${POLISHED:-2000}" --mtp-weight 0.3 --mtp-weight-late 0.3 -o "$out/polished"
train settling sft --init "$out/polished/latest" --data "$out/settling.jsonl" "${examples[@]}" --lr 8e-4 --lr-floor 2e-5 \
    --schedule cosine --steps "${SETTLED:-1000}" --mtp-weight 0.3 --mtp-weight-late 0.3 -o "$out/settled"

rm -rf "$out/model"
"$hadal" quantize "$out/settled/latest" --type fp8 -o "$out/model"
bytes=$(du -sb "$out/model" | cut -f 1)
[ "$bytes" -le 12000000 ] || {
    echo "$out/model: $bytes bytes; it may have 12,000,000"
    exit 1
}
questions "$out/model" "$out"/questions*.jsonl
echo "== all: $((SECONDS / 60)) min, $out/model has $bytes bytes"
