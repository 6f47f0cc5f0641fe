#!/usr/bin/env bash
# test_grpo.sh - hadal train grpo: the self-test, a run on sums of bits that is killed and goes on to the same weights, what it says
# when there is nothing to learn, and what it refuses.
set -uo pipefail
. tools/report.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if "$HADAL" train --selftest --threads 2 > "$work/out" 2> "$work/errors" && grep -q 'is learnt' "$work/out" &&
    grep -q 'ratio - 1.* 0 ' "$work/out"; then
    pass "the self-test finds the optimum"
else
    fail "the self-test finds the optimum" "$(cat "$work/out" "$work/errors")"
fi

# A model that knows the form of an answer and not which.
for i in $(seq 600); do echo "{\"text\": \"$((i % 2))$((i / 2 % 2)):=$((i % 3 % 2))\"}"; done > "$work/texts.jsonl"
for a in 0 1; do for b in 0 1; do
    echo "{\"prompt\": \"$a$b:\", \"answer\": $((a ^ b)), \"verifier\": \"numeric\"}"
done; done > "$work/tasks.jsonl"
"$HADAL" train pretrain --config recipes/zero/config.json --tokenizer recipes/zero/tokenizer --data "$work/texts.jsonl" \
    --sequence 64 --batch 8 --steps 40 --lr 3e-3 --deviation 0.1 --threads 2 -o "$work/base" > /dev/null 2> "$work/errors" ||
    fail "pretraining" "$(cat "$work/errors")"

usual=(grpo --init "$work/base/latest" --plain --data "$work/tasks.jsonl" --valid "$work/tasks.jsonl" --batch 4 --group 16
    --answer-tokens 6 --lr 1e-3 --steps 12 --save-every 3 --threads 2 --log-every 1 --samples-every 2)
# train RUN ARGUMENTS...
train() {
    local run=$1
    shift
    "$HADAL" train "${usual[@]}" -o "$work/$run" "$@"
}
# What of the metrics is the same in every run: all but the time.
steps() {
    python3 -c '
import json, sys
for line in open(sys.argv[1]):
    row = json.loads(line)
    print(sorted((k, v) for k, v in row.items() if "second" not in k and k != "time"))' "$work/$1/metrics.jsonl"
}

train whole > "$work/out" 2> "$work/errors" || fail "a run" "$(cat "$work/errors")"
learnt=$(python3 -c '
import json, sys
rows = [json.loads(line) for line in open(sys.argv[1])]
right = [row["valid_right"] for row in rows if "valid_right" in row]
first = [row["first_deviation"] for row in rows if "first_deviation" in row]
print(len(first) == 12 and right[-1] > right[0] and not any(first))' "$work/whole/metrics.jsonl")
[ "$learnt" = True ] && pass "what is rewarded becomes likelier, and every first ratio is 1" ||
    fail "what is rewarded becomes likelier, and every first ratio is 1" "$(steps whole)"
if "$HADAL" generate -m "$work/whole/latest" -p "01:" -n 4 --temperature 0 > /dev/null 2> "$work/errors" &&
    [ "$(wc -l < "$work/whole/samples.jsonl")" = 12 ]; then
    pass "what it leaves is a model, and some answers"
else
    fail "what it leaves is a model, and some answers" "$(cat "$work/errors")"
fi

state=pass
for kill_at in 4 9; do
    "$HADAL" train "${usual[@]}" -o "$work/killed" --resume auto > "$work/out" 2> "$work/errors" &
    pid=$!
    for _ in $(seq 1200); do
        [ -e "$work/killed/metrics.jsonl" ] && [ "$(wc -l < "$work/killed/metrics.jsonl")" -ge "$kill_at" ] && break
        kill -0 $pid 2> /dev/null || break
        sleep 0.02
    done
    kill -9 $pid 2> /dev/null
    wait $pid 2> /dev/null
done
train killed --resume auto --at-once 5 > "$work/out" 2> "$work/errors" || state="the last part fails: $(cat "$work/errors")"
if [ "$state" = pass ] && [ "$(steps whole)" = "$(steps killed)" ] &&
    cmp -s "$work/whole/latest/model.safetensors" "$work/killed/latest/model.safetensors" &&
    cmp -s "$work/whole/samples.jsonl" "$work/killed/samples.jsonl"; then
    pass "a run that is killed, and samples fewer at once, is the run that is not, bit for bit"
else
    fail "a run that is killed, and samples fewer at once, is the run that is not, bit for bit" "$state"
fi

# ---- every other way to learn

others() {
    local name=$1
    shift
    rm -rf "$work/other"
    if train other --steps 3 --resume auto "$@" > "$work/out" 2> "$work/errors"; then pass "$name"; else fail "$name" "$(cat "$work/errors")"; fi
}
others "updates, epochs, kept experts and a reference" --updates 2 --epochs 2 --kl 0.05 --reference-every 2 --top-p 0.95 --top-k 5
others "GSPO" --ratio sequence --clip-low 3e-4 --clip-high 4e-4 --updates 4 --normalise sequences --advantage std
others "token mean, dual clip, limits of length" --normalise tokens --dual-clip 3 --mask-truncated --overlong 2 --off-policy 0.1 --kl 0.01 --kl-form plain
deviation=$(python3 -c '
import json, sys
print(max(json.loads(line).get("deviation", 0) for line in open(sys.argv[1])))' "$work/other/metrics.jsonl")
[ "$deviation" = 0 ] && pass "one update leaves every ratio at 1" || fail "one update leaves every ratio at 1" "$deviation"

sed 's/"answer": ./"answer": 5/' "$work/tasks.jsonl" > "$work/hopeless.jsonl"
"$HADAL" train grpo --init "$work/base/latest" --plain --data "$work/hopeless.jsonl" --batch 2 --answer-tokens 6 --steps 2 --threads 2 \
    --log-every 1 -o "$work/hopeless" > "$work/out" 2>&1
grep -q 'nothing to learn: every answer to every prompt is wrong' "$work/out" &&
    cmp -s "$work/base/latest/model.safetensors" "$work/hopeless/latest/model.safetensors" &&
    pass "hopeless tasks are called so, and change nothing" || fail "hopeless tasks are called so, and change nothing" "$(cat "$work/out")"

# ---- a teacher

if "$HADAL" train sample --teacher "$work/whole/latest" --plain --data "$work/tasks.jsonl" --group 16 --answer-tokens 6 --threads 2 \
    -o "$work/right.jsonl" > "$work/out" 2> "$work/errors" && grep -q '^64 answers to 4 tasks' "$work/out" &&
    python3 - "$work/right.jsonl" << 'END'
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
wrong = [x for x in lines if x["completion"][-1] != str(int(x["prompt"][0]) ^ int(x["prompt"][1]))]
sys.exit(not lines or bool(wrong) or len({(x["prompt"], x["completion"]) for x in lines}) < len(lines))
END
then
    pass "sample keeps right answers of a teacher, once each"
else
    fail "sample keeps right answers of a teacher, once each" "$(cat "$work/out" "$work/errors" "$work/right.jsonl")"
fi
if "$HADAL" train sft --init "$work/base/latest" --plain --data "$work/right.jsonl" --sequence 64 --batch 2 --steps 5 --threads 2 \
    -o "$work/student" > /dev/null 2> "$work/errors"; then
    pass "a student is tuned on them"
else
    fail "a student is tuned on them" "$(cat "$work/errors")"
fi
# Prompts without any reward; the teacher is right about more of them than the student.
sed 's/, "answer".*}/}/' "$work/tasks.jsonl" > "$work/prompts.jsonl"
"$HADAL" train distill --init "$work/base/latest" --teacher "$work/whole/latest" --plain --data "$work/prompts.jsonl" --answer-tokens 6 \
    --batch 16 --steps 25 --lr 1e-3 --threads 2 -o "$work/pupil" > "$work/out" 2> "$work/errors"
nearer=$(python3 -c '
import json, sys
far = [json.loads(line)["teacher_kl"] for line in open(sys.argv[1])]
print(len(far) == 25 and sum(far[-5:]) < 0.5 * sum(far[:5]))' "$work/pupil/metrics.jsonl")
[ "$nearer" = True ] && pass "distill draws a student to its teacher" || fail "distill draws a student to its teacher" "$(cat "$work/errors" "$work/out")"
# Rounded alike, a student and a teacher of the same weights say the same.
if "$HADAL" train distill --init "$work/base/latest" --teacher "$work/base/latest" --fp8 --plain --data "$work/prompts.jsonl" \
    --answer-tokens 6 --batch 4 --steps 1 --threads 2 -o "$work/twin" > "$work/out" 2> "$work/errors" &&
    python3 -c '
import json, sys
sys.exit(not abs(json.loads(open(sys.argv[1]).readline())["teacher_kl"]) < 1e-6)' "$work/twin/metrics.jsonl"; then
    pass "a teacher as in FP8 is rounded as its student is"
else
    fail "a teacher as in FP8 is rounded as its student is" "$(cat "$work/errors" "$work/out" "$work/twin/metrics.jsonl")"
fi

# ---- what a run would take

# plan ARGUMENTS...: a dry run in $work/out, as "what bytes" in $work/bytes
plan() {
    "$HADAL" train "$@" --dry-run > "$work/out" 2> "$work/errors"
}
if plan grpo --init "$work/base/latest" --plain --data "$work/tasks.jsonl" --batch 4 --group 16 --answer-tokens 6 --steps 12 --kl 0.05 &&
    grep -q '^parameters .* active' "$work/out" && grep -q '^tasks  *4, with prompts of up to 3 tokens' "$work/out" &&
    grep -q '^  reference ' "$work/out" && ! grep -q '^  teacher ' "$work/out" && grep -q '^  cache .* for 64 answers' "$work/out" &&
    grep -q '^tokens  *at most 4608 sampled, and 6912 learnt from' "$work/out" && grep -q '^time ' "$work/out"; then
    pass "--dry-run says what grpo takes"
else
    fail "--dry-run says what grpo takes" "$(cat "$work/out" "$work/errors")"
fi
if plan distill --init "$work/base/latest" --teacher "$work/whole/latest" --plain --data "$work/prompts.jsonl" --answer-tokens 6 \
    --batch 16 --steps 25 && grep -q '^  teacher ' "$work/out" && ! grep -q '^  reference ' "$work/out" &&
    grep -q '^  cache .* for 16 answers' "$work/out"; then
    pass "--dry-run says what distill takes"
else
    fail "--dry-run says what distill takes" "$(cat "$work/out" "$work/errors")"
fi
output=$("$HADAL" train sample --teacher "$work/whole/latest" --plain --data "$work/tasks.jsonl" 2>&1)
[ $? = 2 ] && [[ $output = *"-o FILE"* ]] && pass "refused: sample without a file" || fail "refused: sample without a file" "$output"

# ---- mistakes

refused() {
    local expected=$1 message=$2 output
    shift 2
    output=$("$HADAL" train grpo "$@" 2> "$work/errors")
    if [ $? = "$expected" ] && [ "$(wc -l < "$work/errors")" = 1 ] && grep -qF -- "$message" "$work/errors"; then
        pass "refused: $message"
    else
        fail "refused: $message" "$output$(cat "$work/errors")"
    fi
}
common=(--init "$work/base/latest" --plain --answer-tokens 6)
refused 2 "--data PATH" "${common[@]}" -o "$work/none"
refused 2 "-o RUN" "${common[@]}" --data "$work/tasks.jsonl"
refused 2 "'magic' is not known" "${common[@]}" --data "$work/tasks.jsonl" --verifier magic -o "$work/none"
refused 2 "--temperature 0" "${common[@]}" --data "$work/tasks.jsonl" --temperature 0 -o "$work/none"

refused 1 "beyond max_position_embeddings" "${common[@]}" --data "$work/tasks.jsonl" --answer-tokens 4000 -o "$work/none"
refused 1 "holds a run already" "${common[@]}" --data "$work/tasks.jsonl" -o "$work/whole"
refused 1 "other tasks" "${common[@]}" --data "$work/hopeless.jsonl" --batch 4 --group 16 --resume auto -o "$work/whole"
echo '{"prompt": "1"}' > "$work/bad.jsonl"
refused 1 "bad.jsonl, line 1" "${common[@]}" --data "$work/bad.jsonl" -o "$work/none"
refused 1 "there are no tasks" "${common[@]}" --data /dev/null -o "$work/none"
[ ! -e "$work/none" ] && pass "nothing is left of what is refused" || fail "nothing is left of what is refused" "$(ls "$work/none")"
report_end
