#!/usr/bin/env bash
# test_train.sh - hadal train: a run that is killed and goes on is the run that was not, what it leaves is a model, a polite
# signal saves first, and mistakes are refused before anything is written.
set -uo pipefail
. tools/report.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

sed 's/"vocab_size": 500/"vocab_size": 1000/' tests/cli/small_v3.json > "$work/config.json"
"$HADAL" synth --config "$work/config.json" --type f32 -o "$work/model" > /dev/null || exit 1
for i in $(seq 400); do echo "{\"text\": \"text number $i says that $((i * 7)) is seven times $i and no more than that\"}"; done > "$work/data.jsonl"

usual=(pretrain --config "$work/config.json" --tokenizer "$work/model" --data "$work/data.jsonl" --steps 20 --sequence 64
    --batch 4 --micro-batch 2 --lr 1e-3 --threads 2 --save-every 4)
# train RUN ARGUMENTS...
train() {
    local run=$1
    shift
    "$HADAL" train "${usual[@]}" -o "$work/$run" "$@"
}
# begin RUN LINES ARGUMENTS...: the same in the background as $pid, until it has written so many lines of metrics or ends
begin() {
    local run=$1 lines=$2
    shift 2
    "$HADAL" train "${usual[@]}" -o "$work/$run" "$@" > "$work/out" 2> "$work/errors" &
    pid=$!
    for _ in $(seq 1200); do
        [ -e "$work/$run/metrics.jsonl" ] && [ "$(wc -l < "$work/$run/metrics.jsonl")" -ge "$lines" ] && break
        kill -0 $pid 2> /dev/null || break
        sleep 0.02
    done
}
# What of the metrics is the same in every run: all but the time.
losses() {
    python3 -c '
import json, sys
for line in open(sys.argv[1]):
    row = json.loads(line)
    print(sorted((k, v) for k, v in row.items() if "second" not in k))' "$work/$1/metrics.jsonl"
}

# ---- a whole run

if train whole > "$work/out" 2> "$work/errors" && grep -q '^step 20 ' "$work/out" && [ ! -s "$work/errors" ]; then
    pass "a run ends with its last step"
else
    fail "a run ends with its last step" "$(cat "$work/out" "$work/errors")"
fi
falls=$(python3 -c '
import json, sys
loss = [json.loads(line)["loss"] for line in open(sys.argv[1])]
print(len(loss) == 20 and loss[-1] < 0.9 * loss[0])' "$work/whole/metrics.jsonl")
[ "$falls" = True ] && pass "the loss falls" || fail "the loss falls" "$(losses whole)"

if "$HADAL" generate -m "$work/whole/latest" -p "text number" -n 5 --temperature 0 > /dev/null 2> "$work/errors"; then
    pass "what it leaves is a model"
else
    fail "what it leaves is a model" "$(cat "$work/errors")"
fi

# ---- killed and gone on, several times

state=pass
for kill_at in 3 9 14; do
    begin killed $kill_at --resume auto
    kill -9 $pid 2> /dev/null || state="it ended before it could be killed: $(cat "$work/errors")"
    wait $pid 2> /dev/null
done
train killed --resume auto > "$work/out" 2> "$work/errors" || state="the last part fails: $(cat "$work/errors")"
if [ "$state" = pass ] && [ "$(losses whole)" = "$(losses killed)" ] &&
    cmp -s "$work/whole/latest/model.safetensors" "$work/killed/latest/model.safetensors" &&
    cmp -s "$work/whole/latest/trainer/optimizer.safetensors" "$work/killed/latest/trainer/optimizer.safetensors"; then
    pass "a run that is killed three times is the run that is not, bit for bit"
else
    fail "a run that is killed three times is the run that is not, bit for bit" "$state"
fi
left=$(ls -A "$work/killed")
[ "$left" = "$(printf 'events.out.tfevents.hadal\nlatest\nmetrics.jsonl\nstep-00000016\nstep-00000020')" ] &&
    pass "nothing else is left behind" || fail "nothing else is left behind" "$left"

# ---- the number of threads and recomputing change nothing; a polite signal saves

if train other --threads 1 --recompute > "$work/out" 2> "$work/errors" &&
    cmp -s "$work/whole/latest/model.safetensors" "$work/other/latest/model.safetensors"; then
    pass "threads and --recompute change no bit"
else
    fail "threads and --recompute change no bit" "$(cat "$work/errors")"
fi

begin polite 1 --save-every 0
kill -TERM $pid
wait $pid
status=$?
if [ $status = 1 ] && grep -q 'stopped after step' "$work/errors" && [ -e "$work/polite/latest/config.json" ] &&
    train polite --resume auto > "$work/out" 2> "$work/errors" &&
    cmp -s "$work/whole/latest/model.safetensors" "$work/polite/latest/model.safetensors"; then
    pass "SIGTERM saves and ends the run, which goes on later"
else
    fail "SIGTERM saves and ends the run, which goes on later" "status $status: $(cat "$work/errors")"
fi

# ---- other ways to train

if train muon --optimizer muon --schedule wsd --cross-texts --valid "$work/data.jsonl" --init "$work/model" > "$work/out" 2> "$work/errors" &&
    grep -q 'validation' "$work/out"; then
    pass "muon, wsd, --init and --valid"
else
    fail "muon, wsd, --init and --valid" "$(cat "$work/errors")"
fi

if train nothing --dry-run > "$work/out" 2> "$work/errors" && grep -q '^parameters .* active' "$work/out" && [ ! -e "$work/nothing" ]; then
    pass "--dry-run says what a run takes"
else
    fail "--dry-run says what a run takes" "$(cat "$work/out" "$work/errors")"
fi

# ---- conversations

for i in $(seq 300); do
    echo "{\"messages\": [{\"role\": \"user\", \"content\": \"seven times $i\"}, {\"role\": \"assistant\", \"reasoning_content\": \"seven and $i\", \"content\": \"$((i * 7))\"}]}"
done > "$work/talk.jsonl"
tune=(sft --init "$work/whole/latest" --template deepseek-r1 --data "$work/talk.jsonl" --valid "$work/talk.jsonl" --sequence 64
    --batch 4 --steps 12 --lr 1e-3 --threads 2 --save-every 3 --valid-every 6)
"$HADAL" train "${tune[@]}" -o "$work/tuned" > "$work/out" 2> "$work/errors" || fail "sft" "$(cat "$work/errors")"
usual=("${tune[@]}")
for kill_at in 2 7; do
    begin tuned_killed $kill_at --resume auto
    kill -9 $pid 2> /dev/null
    wait $pid 2> /dev/null
done
"$HADAL" train "${tune[@]}" -o "$work/tuned_killed" --resume auto > "$work/out" 2> "$work/errors"
falls=$(python3 -c '
import json, sys
loss = [row["valid_loss"] for row in map(json.loads, open(sys.argv[1])) if "valid_loss" in row]
print(len(loss) == 2 and loss[1] < loss[0])' "$work/tuned/metrics.jsonl")
if [ "$falls" = True ] && cmp -s "$work/tuned/latest/model.safetensors" "$work/tuned_killed/latest/model.safetensors"; then
    pass "sft learns answers, and goes on bit for bit after it was killed"
else
    fail "sft learns answers, and goes on bit for bit after it was killed" "$falls $(cat "$work/errors")"
fi
usual=(pretrain --config "$work/config.json" --tokenizer "$work/model" --data "$work/data.jsonl" --steps 20 --sequence 64
    --batch 4 --micro-batch 2 --lr 1e-3 --threads 2 --save-every 4)

# ---- a longer context, and middles

python3 -c '
import json, sys
config = json.load(open(sys.argv[1]))
config.pop("rope_scaling")
config["max_position_embeddings"] = 64
json.dump(config, open(sys.argv[2], "w"))
config.update(max_position_embeddings=256, rope_scaling={"type": "yarn", "factor": 4, "beta_fast": 32, "beta_slow": 1,
    "mscale": 1, "mscale_all_dim": 1, "original_max_position_embeddings": 64})
json.dump(config, open(sys.argv[3], "w"))' "$work/config.json" "$work/short.json" "$work/longer.json"
if train short --config "$work/short.json" --steps 2 > "$work/out" 2> "$work/errors" &&
    train longer --config "$work/longer.json" --init "$work/short/latest" --sequence 192 --steps 2 --cross-texts > "$work/out" 2> "$work/errors" &&
    grep -q yarn "$work/longer/latest/config.json" && "$HADAL" generate -m "$work/longer/latest" -p "text number" -n 100 --temperature 0 > /dev/null 2> "$work/errors"; then
    pass "a model goes on with a longer context by YaRN"
else
    fail "a model goes on with a longer context by YaRN" "$(cat "$work/errors")"
fi
if "$HADAL" train tokenizer --data "$work/data.jsonl" --vocab 280 --special '<｜fim▁begin｜>' --special '<｜fim▁hole｜>' --special '<｜fim▁end｜>' -o "$work/middles" > /dev/null 2> "$work/errors" &&
    train middles-run --tokenizer "$work/middles" --fim-rate 0.5 --steps 2 > "$work/out" 2> "$work/errors"; then
    pass "texts with their middle at the end"
else
    fail "texts with their middle at the end" "$(cat "$work/errors")"
fi

# ---- as in FP8

if train rounded --fp8 > "$work/out" 2> "$work/errors" && train rounded-other --fp8 --threads 1 --recompute > "$work/out" 2> "$work/errors" &&
    cmp -s "$work/rounded/latest/model.safetensors" "$work/rounded-other/latest/model.safetensors" &&
    ! cmp -s "$work/rounded/latest/model.safetensors" "$work/whole/latest/model.safetensors"; then
    pass "threads change no bit of training in FP8"
else
    fail "threads change no bit of training in FP8" "$(cat "$work/errors")"
fi
apart=$(python3 -c '
import json, sys
mean = [sum(json.loads(line)["loss"] for line in open(path)) / 20 for path in sys.argv[1:]]
print("%.3f %%" % (100 * abs(mean[0] / mean[1] - 1)), abs(mean[0] / mean[1] - 1) < 0.0025)' "$work/rounded/metrics.jsonl" "$work/whole/metrics.jsonl")
[ "${apart##* }" = True ] && pass "the loss in FP8 is within 0.25 % of the other" || fail "the loss in FP8 is within 0.25 % of the other" "$apart"

# ---- curves, and the best step stays

if train muon --resume auto --steps 26 --valid "$work/data.jsonl" --valid-every 3 --keep-best --keep 1 --optimizer muon > "$work/out" 2> "$work/errors" &&
    best=$(python3 -c '
import json, sys
losses = [(row["valid_loss"], row["step"]) for row in map(json.loads, open(sys.argv[1])) if "valid_loss" in row and row["step"] > 20]
print("step-%08d" % min(losses)[1])' "$work/muon/metrics.jsonl") && [ "$(readlink "$work/muon/best")" = "$best" ] &&
    [ -e "$work/muon/best/config.json" ] && [ "$(ls -d "$work"/muon/step-* | wc -l)" -le 2 ]; then
    pass "the best step stays"
else
    fail "the best step stays" "$(cat "$work/errors"; ls -l "$work/muon")"
fi
if "$HADAL" train plot "$work/whole" "$work/muon" -o "$work/plot.svg" 2> "$work/errors" &&
    python3 -c '
import sys, xml.etree.ElementTree as tree
texts = [t.text for t in tree.parse(sys.argv[1]).iter("{http://www.w3.org/2000/svg}text")]
sys.exit(not ("loss" in texts and "norm" in texts and any(t and t.endswith("valid_loss") for t in texts)))' "$work/plot.svg" &&
    "$HADAL" train plot "$work/whole" 2> "$work/errors" | grep -q '</svg>'; then
    pass "a plot has the curves of runs"
else
    fail "a plot has the curves of runs" "$(cat "$work/errors")"
fi

# ---- two at once

begin both 1 --steps 100000
train both --resume auto > "$work/out" 2> "$work/second"
status=$?
kill -9 $pid
wait $pid 2> /dev/null
if [ $status = 1 ] && grep -q "in use" "$work/second"; then
    pass "a second run in the same directory is refused"
else
    fail "a second run in the same directory is refused" "$(cat "$work/second")"
fi

# ---- a tokenizer of one's own

if "$HADAL" train tokenizer --data "$work/data.jsonl" --vocab 280 -o "$work/own" > "$work/out" 2> "$work/errors" && grep -q '^280 tokens' "$work/out" &&
    [ "$(echo 'number 12: seven times, and 七' | "$HADAL" tokenize -m "$work/own" | "$HADAL" detokenize -m "$work/own")" = 'number 12: seven times, and 七' ] &&
    "$HADAL" train "${usual[@]}" --tokenizer "$work/own" --steps 1 -o "$work/own-run" > "$work/out" 2> "$work/errors"; then
    pass "a tokenizer made from texts trains a model"
else
    fail "a tokenizer made from texts trains a model" "$(cat "$work/out" "$work/errors")"
fi

# ---- mistakes

refused() {
    local expected=$1 message=$2 output
    shift 2
    output=$("$HADAL" train "$@" 2> "$work/errors")
    if [ $? = "$expected" ] && [ "$(wc -l < "$work/errors")" = 1 ] && grep -qF -- "$message" "$work/errors"; then
        pass "refused: $message"
    else
        fail "refused: $message" "$output$(cat "$work/errors")"
    fi
}
echo '{"messages": [{"role": "user", "content": "well?"}]}' > "$work/unanswered.jsonl"
refused 1 "the tokenizer has no <｜fim" pretrain --config "$work/config.json" --tokenizer "$work/own" --data "$work/data.jsonl" --fim-rate 1 --steps 1 -o "$work/none"
refused 2 "name one to 8 runs" plot
refused 1 "none/metrics.jsonl" plot "$work/none"
common=(--config "$work/config.json" --tokenizer "$work/model" --data "$work/data.jsonl" --sequence 64)
refused 2 "say which training"
refused 2 "say which training" fly
refused 2 "--data PATH" pretrain --config "$work/config.json" --tokenizer "$work/model" -o "$work/none"
refused 2 "--tokenizer PATH" pretrain --config "$work/config.json" --data "$work/data.jsonl" -o "$work/none"
refused 2 "--init MODEL" sft --data "$work/talk.jsonl" -o "$work/none"
refused 1 "no answer of an assistant" sft --init "$work/whole/latest" --template deepseek-r1 --data "$work/unanswered.jsonl" -o "$work/none"
refused 2 "-o RUN" pretrain "${common[@]}"
if [ "${1#build-mpi}" = "$1" ]; then # a build that does not know MPI
    export OMPI_COMM_WORLD_SIZE=2
    refused 2 "2 processes were started together, and this build knows no MPI" pretrain "${common[@]}" -o "$work/none"
    unset OMPI_COMM_WORLD_SIZE
fi
refused 1 "holds a run already" pretrain "${common[@]}" -o "$work/whole"
echo more > "$work/more.txt"
refused 1 "other data" pretrain "${common[@]}" --data "$work/more.txt" --resume auto --batch 4 -o "$work/whole"
refused 1 "batch of its own" pretrain "${common[@]}" --resume auto --batch 5 -o "$work/whole"
refused 1 "beyond max_position_embeddings" pretrain "${common[@]}" --sequence 8192 -o "$work/none"
echo '{"txt": 1}' > "$work/bad.jsonl"
refused 1 "bad.jsonl, line 1" pretrain "${common[@]}" --data "$work/bad.jsonl" -o "$work/none"
sed 's/"vocab_size": 1000/"vocab_size": 400/' "$work/config.json" > "$work/less.json"
refused 1 "has 1000 tokens" pretrain --config "$work/less.json" --tokenizer "$work/model" --data "$work/data.jsonl" -o "$work/none"
[ ! -e "$work/none" ] && pass "nothing is left of what is refused" || fail "nothing is left of what is refused" "$(ls "$work/none")"

report_end
