#!/usr/bin/env bash
# run.sh [OUT] - a small reasoning model from nothing: reading, cold start, rewards, export in FP8, held-out questions; see
# README.md beside it. Each stage goes on where it was interrupted. From the repository's root, after make all recipes.
#
#   SEED=1 THREADS=2   READ=2000 TAUGHT=8000 REWARDED=60   steps of the stages; 0 leaves the rewards out
#   TEXTS=150000 CONVERSATIONS=300000 TASKS=20000 QUESTIONS=200   exercises of each; questions for each kind
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
    local stage=$1
    shift
    echo "== $stage"
    "$hadal" train "$@" --threads "$threads" --seed "$seed" --resume auto
}
# Muon with a rate that stays, and falls over the last steps of what is taught.
muon() {
    printf -- '--optimizer muon --lr 4e-3 --bias-rate 0.01 --sequence 512 --batch 4 --micro-batch 2 --save-every 500'
}

exercises texts 1 "${TEXTS:-150000}" text
# More of what is learnt slowly.
exercises conversations 2 "${CONVERSATIONS:-300000}" messages --turns 3 --mix addition=8,subtraction=12,product=5,product-3x2=6,product-3x3=8,division=22,chain=8,comparison=10,sorting=18,parity=6,ranking=6,story=5,talk=4
exercises tasks 3 "${TASKS:-20000}" prompts --mix product-3x2,product-3x3
exercises checks 4 64 prompts --split held-out --mix product-3x2,product-3x3
kinds=$("$tasks" --list)
for kind in $kinds; do
    exercises "questions-$kind" 5 "${QUESTIONS:-200}" prompts --split held-out --mix "$kind"
done
exercises questions 6 "$((${QUESTIONS:-200} * 5))" prompts --split held-out

# Multi-token prediction is learnt with the conversations: reading is faster without it.
# shellcheck disable=SC2046
train reading pretrain --config "$here/config.json" --tokenizer "$here/tokenizer" --data "$out/texts.jsonl" $(muon) \
    --schedule constant --warmup 50 --steps "${READ:-2000}" --mtp-weight 0 --mtp-weight-late 0 -o "$out/read"
# shellcheck disable=SC2046
train "cold start" sft --init "$out/read/latest" --data "$out/conversations.jsonl" $(muon) \
    --schedule wsd --warmup 20 --steps "${TAUGHT:-8000}" --lr-floor 1e-4 -o "$out/taught"
final=taught
if [ "${REWARDED:-60}" -gt 0 ]; then
    train rewards grpo --init "$out/taught/latest" --data "$out/tasks.jsonl" --valid "$out/checks.jsonl" --valid-every 20 \
        --answer-tokens 256 --batch 32 --group 8 --lr 2e-4 --lr-floor 1e-5 --schedule cosine --warmup 5 --weight-decay 0 \
        --steps "${REWARDED:-60}" --save-every 20 -o "$out/rewarded"
    final=rewarded
fi

echo "== model"
rm -rf "$out/model"
"$hadal" quantize "$out/$final/latest" --type fp8 -o "$out/model"
bytes=$(du -sb "$out/model" | cut -f 1)
echo "$out/model: $bytes bytes"
[ "$bytes" -le 12000000 ] || {
    echo "that is more than the 12 MB that it may have"
    exit 1
}

echo "== held-out questions"
"$here/questions.sh" "$out/model" "$out"/questions*.jsonl
