#!/usr/bin/env bash
# test_sample.sh - hadal train sample: right answers of a model and of a server become lines that sft takes, in the order of the
# tasks, each once; what is wrong or was cut off is left out.
set -uo pipefail
. tools/report.sh
. tests/api/server.sh
work=$(mktemp -d)
server=
trap 'kill $server 2> /dev/null; rm -rf "$work"' EXIT

"$HADAL" synth --config tests/cli/small_v3.json --type f32 -o "$work/model" > /dev/null || exit 1
for i in 1 2 3; do echo "{\"prompt\": \"task $i\", \"answer\": \"$i\"}"; done > "$work/tasks.jsonl"
# Right is what has an even number of bytes.
cat > "$work/verifier.py" << 'EOF'
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    print(json.dumps({"id": asked["id"], "score": 1 - len(asked["text"].encode()) % 2}), flush=True)
EOF
sample() { # TEACHER OUTPUT ARGUMENTS...
    local teacher=$1 output=$2
    shift 2
    "$HADAL" train sample --teacher "$teacher" --plain --data "$work/tasks.jsonl" --verifier external --verifier-command "python3 $work/verifier.py" \
        --group 6 --answer-tokens 1500 --threads 2 -o "$output" "$@" > "$work/out" 2> "$work/errors"
}
# Prints how many lines there are when all of them are what they should be.
check() { # FILE
    python3 - "$1" << 'EOF'
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
numbers = [int(line["prompt"].split()[1]) for line in lines]
assert numbers == sorted(numbers) and set(numbers) <= {1, 2, 3}, numbers
assert all(len(line["completion"].encode()) % 2 == 0 for line in lines)
assert len({(line["prompt"], line["completion"]) for line in lines}) == len(lines)
print(len(lines))
EOF
}
told() { grep -o '[0-9]* lines' "$work/out" | grep -o '[0-9]*'; }

sample "$work/model" "$work/engine.jsonl" || fail "sample of a model" "$(cat "$work/errors")"
lines=$(check "$work/engine.jsonl" 2>&1)
[ "$lines" = "$(told)" ] && [ "$lines" -ge 1 ] && pass "right answers of a model" || fail "right answers of a model" "$lines: $(cat "$work/out")"

server_start -m "$work/model" --parallel 4
sample "$url/v1" "$work/server.jsonl" --at-once 3 || fail "sample of a server" "$(cat "$work/errors")"
lines=$(check "$work/server.jsonl" 2>&1)
[ "$lines" = "$(told)" ] && [ "$lines" -ge 1 ] && pass "right answers of a server" || fail "right answers of a server" "$lines: $(cat "$work/out")"
sample "$url/v1" "$work/most.jsonl" --most 1 || fail "sample of a server" "$(cat "$work/errors")"
lines=$(check "$work/most.jsonl" 2>&1)
[ "$lines" = "$(told)" ] && [ "$lines" -ge 1 ] && [ "$lines" -le 3 ] && pass "at most so many to each task" || fail "at most so many to each task" "$lines: $(cat "$work/out")"
# Two files are asked about, one behind the other.
echo '{"prompt": "task 3", "answer": "3"}' > "$work/more.jsonl"
sample "$url/v1" "$work/both.jsonl" --data "$work/more.jsonl" || fail "sample of two files" "$(cat "$work/errors")"
grep -q "of 4 tasks\|4 tasks" "$work/out" && pass "all files are asked about" || fail "all files are asked about" "$(cat "$work/out")"
server_end

sample "$url/v1" "$work/none.jsonl" --timeout 1
[ $? = 1 ] && [ ! -e "$work/none.jsonl" ] && grep -q "127.0.0.1" "$work/errors" && pass "a server that is not there is an error in words" || fail "a server that is not there is an error in words" "$(cat "$work/errors")"
"$HADAL" train sample --data "$work/tasks.jsonl" -o "$work/none.jsonl" 2> "$work/errors"
[ $? = 2 ] && grep -q "MODEL or URL" "$work/errors" && pass "somebody has to answer" || fail "somebody has to answer" "$(cat "$work/errors")"
report_end
