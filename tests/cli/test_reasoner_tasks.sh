#!/usr/bin/env bash
# test_reasoner_tasks.sh - the exercises of recipes/reasoner: the same for the same seed, no problem in both splits, and
# every line of thinking and every answer true by another's arithmetic.
set -uo pipefail
. tools/report.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tasks=$(dirname "$HADAL")/reasoner-tasks

"$tasks" --seed 5 --count 20000 --format messages > "$work/train" || exit 1
clean "a seed gives the same exercises again" \
    "$("$tasks" --seed 5 --count 20000 --format messages | cmp - "$work/train" 2>&1)"
"$tasks" --seed 6 --count 4000 --split held-out --format messages > "$work/held-out"
"$tasks" --seed 6 --count 4000 --split held-out --format prompts > "$work/prompts"

cat > "$work/judge.py" << 'PYTHON'
import json, re, sys

def equation(text):
    """The sides of a = b, where both are arithmetic: signs as they are written, integers of any leading zeros."""
    left, right = text.rsplit("=", 1)
    left = re.sub(r"\b0+(?=\d)", "", left.replace("×", "*").replace("÷", "//").replace(" ", ""))
    return eval(left), int(right)

def judge(thought, reply):
    for line in thought.splitlines():
        for left, right in re.findall(r"(?<![\d.+×-])(\d+(?:[-+×]\d+)+)(?==(-?\d+))", line):
            assert equation(left + "=" + right)[0] == int(right), f"{left}={right} in {thought}"
    whole = re.match(r"^(-?\d+(?: [-+×÷] -?\d+)+) = (-?\d+)(?: (?:remainder|余) (\d+))?$", reply)
    if whole:
        left, right = equation(whole[1] + "=" + whole[2])
        assert left == right, reply
        a, _, b = whole[1].partition(" ÷ ")
        if b:
            assert int(a) - int(b) * right == int(whole[3] or 0), reply
        return whole[1]

def read(path):
    problems = set()
    for line in open(path):
        user, assistant = json.loads(line)["messages"]
        problem = judge(assistant["reasoning_content"], assistant["content"])
        if problem:
            problems.add(problem)
    return problems

train, held_out = read(sys.argv[1]), read(sys.argv[2])
assert len(train) > 8000 and len(held_out) > 1500, (len(train), len(held_out))
assert not train & held_out, sorted(train & held_out)[:3]
for prompt, line in zip(open(sys.argv[3]), open(sys.argv[2])):
    prompt, (user, assistant) = json.loads(prompt), json.loads(line)["messages"]
    assert prompt["prompt"] == user["content"]
    reply, answer = assistant["content"], prompt["answer"]
    numbers = re.findall(r"-?\d+(?:\.\d+)?", reply)
    fits = numbers[-1] == answer if prompt["verifier"] == "numeric" else reply == answer
    assert fits, (prompt, reply)
    if prompt["group"] == "sorting":
        asked = sorted(map(int, re.findall(r"\d+", user["content"])))
        assert sorted(map(int, numbers)) == asked and list(map(int, numbers)) in (asked, asked[::-1]), prompt
    if prompt["group"] == "parity" and "1s" not in prompt["prompt"] and "is " in reply:
        assert (int(numbers[0]) % 2 == 1) == ("odd" in reply), reply
    if prompt["group"] == "comparison" and reply.startswith(("Yes", "是")):
        a, b = map(float, numbers)
        assert a > b if ">" in reply else a < b, reply
PYTHON
clean "thinking and answers are true, and the splits have no problem in common" \
    "$(python3 "$work/judge.py" "$work/train" "$work/held-out" "$work/prompts" 2>&1)"

"$tasks" --seed 4 --count 300 --turns 3 > "$work/talks"
found=$(python3 -c '
import json, sys
lengths = {len(json.loads(line)["messages"]) for line in open(sys.argv[1])}
print(sorted(lengths))' "$work/talks" 2>&1)
if [ "$found" = "[2, 4, 6]" ]; then pass "conversations have one to three exchanges"; else fail "conversations have one to three exchanges" "$found"; fi
if ! "$tasks" --turns 0 2> "$work/errors" && grep -q turns "$work/errors"; then pass "no exchange is no conversation"; else fail "no exchange is no conversation" "$(cat "$work/errors")"; fi

if ! "$tasks" --mix nonsense 2> "$work/errors" && grep -q nonsense "$work/errors"; then
    pass "an unknown kind of task is refused by its name"
else
    fail "an unknown kind of task is refused by its name" "$(cat "$work/errors")"
fi
report_end
