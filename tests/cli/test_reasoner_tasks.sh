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

MORE = "taller|older|faster|heavier|高|大|快|重"
LESS = "shorter|younger|slower|lighter|矮|小|慢|轻"

def judge_ranking(question, reply):
    """Whoever has more stands in front, worked out from the words alone."""
    name = r"(小.|[A-Z]?[a-z]+)"
    pairs = re.findall(name + r" is (\w+) than " + name, question)
    pairs += [(a, how, b) for a, b, how in re.findall(r"(小.)比(小.)(.)", question)]
    assert len(pairs) == 2, question
    pairs = [(a.lower(), b.lower()) if re.fullmatch(MORE, how) else (b.lower(), a.lower()) for a, how, b in pairs]
    first, second = pairs if pairs[0][1] == pairs[1][0] else pairs[::-1]
    assert first[1] == second[0], question
    most = re.search("(tall|old|fast|heavi)est|最[高大快重]", reply)
    assert reply.lower().startswith(first[0] if most else second[1]), (question, reply)

def judge_comparison(question, reply):
    a, b = map(float, re.findall(r"\d+(?:\.\d+)?", question))
    if a == b:
        assert "equal" in reply or "相等" in reply, (question, reply)
    elif ">" in reply or "<" in reply:
        wanted = a < b if re.search("less|smaller|小", question) else a > b
        assert reply.startswith(("Yes", "是")) == wanted and (">" in reply) == (a > b), (question, reply)
    else:
        smaller = re.search("small|less|minimum|小", question.replace("大小", ""))
        assert float(re.findall(r"\d+(?:\.\d+)?", reply)[0]) == (min(a, b) if smaller else max(a, b)), (question, reply)

def judge_division(thought):
    """Every line of a division by two digits: part, digit, product, and the quotient so far at its end."""
    a, b = map(int, re.match(r"(\d+)÷(\d+)", thought).groups())
    tried = re.findall(r"^(\d+):(\d) .* =(\d+)$", thought, re.M)
    for part, digit, product in tried:
        assert int(digit) * b == int(product), thought
    for quotient in re.findall(r"<%d =(\d+)$" % b, thought, re.M):
        assert str(a // b).startswith(quotient) or quotient == "0", thought
    word = "余" if "余" in thought.splitlines()[0] else "r"
    assert "=%d %s %d\n" % (a // b, word, a % b) in thought, thought

def read(path):
    problems = set()
    for line in open(path):
        user, assistant = json.loads(line)["messages"]
        problem = judge(assistant["reasoning_content"], assistant["content"])
        if problem and "÷" in problem:
            judge_division(assistant["reasoning_content"])
            assert ("余" in assistant["reasoning_content"]) >= ("余" in assistant["content"]), assistant
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
        assert re.findall(r"\d+", assistant["reasoning_content"].split("\n")[0])[-1].lstrip("0") == numbers[0].lstrip("0")
        if "est is" in reply or "的是" in reply:
            most = bool(re.search("largest|biggest|maximum|最大", user["content"]))
            assert int(numbers[0]) == asked[-1 if most else 0], prompt
        else:
            down = re.search("descending|decreasing|(largest|greatest|large) to|从大到小|降序", user["content"])
            assert list(map(int, numbers)) == (asked[::-1] if down else asked), prompt
    if prompt["group"] == "ranking":
        judge_ranking(user["content"], reply)
    if prompt["group"] == "parity" and "1s" not in prompt["prompt"] and "is " in reply:
        assert (int(numbers[0]) % 2 == 1) == ("odd" in reply), reply
    if prompt["group"] == "comparison":
        judge_comparison(user["content"], reply)
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
