#!/usr/bin/env bash
# test_ranks.sh - hadal train under mpirun: several ranks make the bits of one, go on with what others began, and end together
# with one sentence. For builds with MPI=1.
set -uo pipefail
. tests/ranks/ranks.sh

# One that goes in several pieces from rank to rank.
sed 's/"intermediate_size": [0-9]*/"intermediate_size": 6000/' "$work/config.json" > "$work/wide.json"
# Whom others learn from.
"$HADAL" synth --config "$work/config.json" --type f32 --seed 5 -o "$work/teacher" > /dev/null || exit 1

sft=(sft --init "$work/model" --template deepseek-r1 --data "$work/talk.jsonl" --valid "$work/talk.jsonl" --sequence 32
    --batch 4 --micro-batch 1 --steps 3 --valid-every 2 --lr 1e-3 --threads 1)
# Any number is right and letters are worth something: what a random model says differs in reward.
for i in $(seq 20); do
    echo "{\"prompt\": \"say $i\", \"answer\": \"1\", \"tolerance\": 1e9, \"language\": \"en\", \"verifier\": [\"numeric\", {\"name\": \"language\", \"weight\": 0.5}]}"
done > "$work/tasks.jsonl"
asked=(--init "$work/model" --plain --data "$work/tasks.jsonl" --valid "$work/tasks.jsonl" --valid-every 2 --batch 4 --answer-tokens 8
    --sequence 32 --micro-batch 1 --lr 1e-3 --threads 1 --save-every 2 --samples-every 1 --log-every 1)
rewards=(grpo "${asked[@]}" --group 4 --steps 4 --updates 2 --kl 0.05 --reference-every 2)
distill=(distill "${asked[@]}" --teacher "$work/teacher" --steps 3)
losses() {
    python3 -c '
import json, sys
for line in open(sys.argv[1]):
    row = json.loads(line)
    print(sorted((k, v) for k, v in row.items() if "second" not in k))' "$work/$1/metrics.jsonl"
}
same() { # RUN RUN
    local file
    for file in model.safetensors trainer/optimizer.safetensors trainer/state.json; do
        cmp -s "$work/$1/latest/$file" "$work/$2/latest/$file" || return 1
    done
    [ "$(losses "$1")" = "$(losses "$2")" ]
}

# ---- the bits of one

"$HADAL" train "${pretrain[@]}" -o "$work/one" > "$work/out" 2> "$work/errors"
verdict "a build that knows MPI trains without mpirun"
wide=("${pretrain[@]}" --config "$work/wide.json" --steps 2 --save-every 0)
"$HADAL" train "${wide[@]}" -o "$work/wide-one" > "$work/out" 2> "$work/errors" && ranks 2 "${wide[@]}" -o "$work/wide-two" &&
    same wide-one wide-two
verdict "two ranks make the bits of one process, of a wide model"
ranks 2 "${pretrain[@]}" -o "$work/two" && same one two
verdict "two ranks make the bits of one process"
[ "$(grep -c '^step ' "$work/out")" = 6 ] && [ "$(grep -c 'tokens of text' "$work/out")" = 1 ] && ! grep -q hadal "$work/errors"
verdict "the first rank alone says how it goes"

"$HADAL" train "${sft[@]}" -o "$work/talk-one" > "$work/out" 2> "$work/errors" &&
    ranks 2 "${sft[@]}" -o "$work/talk-two" && same talk-one talk-two
verdict "sft and the loss of held-out conversations, too"

"$HADAL" train "${pretrain[@]}" --steps 3 --fp8 --recompute -o "$work/fp8-one" > "$work/out" 2> "$work/errors" &&
    ranks 3 "${pretrain[@]}" --steps 3 --fp8 --recompute -o "$work/fp8-three" && same fp8-one fp8-three
verdict "as in FP8"
sft_lora=("${sft[@]}" --lora 4)
"$HADAL" train "${sft_lora[@]}" -o "$work/lora-one" > "$work/out" 2> "$work/errors" && ranks 2 "${sft_lora[@]}" -o "$work/lora-two" &&
    cmp -s "$work/lora-one/latest/adapter_model.safetensors" "$work/lora-two/latest/adapter_model.safetensors" &&
    cmp -s "$work/lora-one/latest/trainer/optimizer.safetensors" "$work/lora-two/latest/trainer/optimizer.safetensors"
verdict "and adapters"

# ---- one's own answers

same_answers() { # RUN RUN
    same "$1" "$2" && cmp -s "$work/$1/samples.jsonl" "$work/$2/samples.jsonl"
}
"$HADAL" train "${rewards[@]}" -o "$work/rewards-one" > "$work/out" 2> "$work/errors" && ranks 2 "${rewards[@]}" -o "$work/rewards-two" &&
    same_answers rewards-one rewards-two && cmp -s "$work"/rewards-{one,two}/latest/trainer/reference.safetensors
verdict "grpo by two ranks makes the bits of one process"
[ "$(grep -c '^step [0-9]*  reward' "$work/out")" = 4 ] && [ "$(grep -c 'held-out' "$work/out")" = 3 ] && ! grep -q hadal "$work/errors" &&
    [ "$(wc -l < "$work/rewards-two/samples.jsonl")" = 8 ]
verdict "of which the first alone says how it goes"
"$HADAL" train "${distill[@]}" -o "$work/taught-one" > "$work/out" 2> "$work/errors" && ranks 3 "${distill[@]}" -o "$work/taught-three" &&
    same_answers taught-one taught-three
verdict "distill by three ranks, too"

# ---- a teacher's answers

for i in $(seq 40); do echo "{\"prompt\": \"What is $((i * 7)) + 25?\", \"answer\": \"$((i * 7 + 25))\", \"verifier\": \"numeric\"}"; done > "$work/sums.jsonl"
sample=(sample --teacher models/reasoner --data "$work/sums.jsonl" --group 3 --answer-tokens 120 --temperature 1.2 --threads 1)
"$HADAL" train "${sample[@]}" -o "$work/right-one.jsonl" > "$work/said" 2> "$work/errors" && ranks 3 "${sample[@]}" -o "$work/right-three.jsonl" &&
    cmp -s "$work"/right-{one,three}.jsonl && [ "$(wc -l < "$work/right-one.jsonl")" -ge 20 ] &&
    [ "$(sed 's/ in .*//' "$work/said")" = "$(sed 's/ in .*//' "$work/out")" ]
verdict "sample by three ranks writes the bytes of one process"

# ---- interrupted, and gone on with by others

"$HADAL" train "${pretrain[@]}" --optimizer muon -o "$work/muon" > "$work/out" 2> "$work/errors"
verdict "muon by one process"
long=("${pretrain[@]}" --optimizer muon)
begin 3 mixed 3 "${long[@]}" --resume auto
victim=$(process_of mixed 2)
[ -n "$victim" ] && kill -9 $victim 2> /dev/null # it may have ended: then there is less to go on with
wait $pid
ranks 2 "${long[@]}" --resume auto -o "$work/mixed" && same muon mixed
verdict "a run of three ranks, one of which is killed, goes on with two to the same bits"

begin 2 rewards-killed 3 "${rewards[@]}" --resume auto
victim=$(process_of rewards-killed 1)
[ -n "$victim" ] && kill -9 $victim 2> /dev/null
wait $pid
ranks 3 "${rewards[@]}" --resume auto -o "$work/rewards-killed" && same_answers rewards-one rewards-killed &&
    cmp -s "$work"/rewards-{one,killed}/latest/trainer/reference.safetensors
verdict "grpo of two ranks, one of which is killed, goes on with three to the same bits"

begin 2 polite 1 "${pretrain[@]}" --save-every 0 --steps 100000 --schedule constant
victim=$(process_of polite 1)
kill -TERM $victim
wait $pid
status=$?
[ $status != 0 ] && [ "$(grep -c 'stopped after step' "$work/errors")" = 1 ] && [ -e "$work/polite/latest/config.json" ]
verdict "SIGTERM to one rank saves and ends the run of all, which the first says"
done_steps=$(readlink "$work/polite/latest")
done_steps=$((10#${done_steps#step-}))
"$HADAL" train "${pretrain[@]}" --save-every 0 --resume auto --steps $((done_steps + 2)) --schedule constant -o "$work/polite" > "$work/out" 2> "$work/errors"
verdict "one process goes on with it"

# ---- mistakes

refused "cannot be shared by 2 ranks" 2 "${pretrain[@]}" --micro-batch 5 -o "$work/none"
refused "the 2 prompts of a step cannot be shared by 3 ranks" 3 "${rewards[@]}" --batch 2 -o "$work/none"
refused "one process asks a server" 2 sample --teacher http://127.0.0.1:9/v1 --data "$work/sums.jsonl" -o "$work/none"
refused "only pretrain, sft, grpo, distill and sample" 2 plot "$work/one"
refused "No such file" 2 "${pretrain[@]}" --data "$work/nothing.jsonl" -o "$work/none"
timeout 280 mpirun -n 1 "$HADAL" train "${pretrain[@]}" -o "$work/none" : -n 1 "$HADAL" train "${pretrain[@]}" --data "$work/nothing.jsonl" -o "$work/none" > "$work/out" 2> "$work/errors"
status=$?
[ $status != 0 ] && [ $status != 124 ] && [ "$(grep -c '^hadal' "$work/errors")" = 1 ] && grep -q "^hadal train: rank 1: .*nothing.jsonl" "$work/errors"
verdict "what one rank fails at ends all, and is said once"
timeout 280 mpirun -n 1 "$HADAL" train "${pretrain[@]}" -o "$work/none" : -n 1 "$HADAL" train "${pretrain[@]}" --seed 9 -o "$work/none" > "$work/out" 2> "$work/errors"
status=$?
[ $status != 0 ] && [ $status != 124 ] && grep -q "rank 1: was started with other data or options" "$work/errors"
verdict "ranks that were started differently are told"
[ ! -e "$work/none" ]
verdict "nothing is left of what is refused"

# ---- memory

ranks 2 "${pretrain[@]}" --dry-run && grep -q '^memory .*each rank' "$work/out" && grep -q '^of it moments .*2 ranks' "$work/out" &&
    [ "$(grep -c '^parameters' "$work/out")" = 1 ]
verdict "--dry-run says what each rank takes"
ranks 2 "${rewards[@]}" --dry-run && grep -q '^memory .*each rank' "$work/out" && [ "$(grep -c '^parameters' "$work/out")" = 1 ]
verdict "of grpo as well"

report_end
