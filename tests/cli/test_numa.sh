#!/usr/bin/env bash
# test_numa.sh - --numa: with a made-up folder that puts each of two processors on a node of its own, logits have the same
# bits as without, for every way in which weights are kept; `hadal check` tells of nodes; wrong folders are refused.
set -uo pipefail
. tools/report.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export XDG_CACHE_HOME=$work/home

mapfile -t processors < <(taskset -cp $$ | sed 's/.*: //' | tr , '\n' | while IFS=- read -r first last; do seq "$first" "${last:-$first}"; done)
if [ "${#processors[@]}" -lt 2 ]; then
    skip "a plan of two nodes needs two processors"
    exit 0
fi
nodes=$work/nodes
mkdir -p "$nodes/node0" "$nodes/node3"
echo 0,3 > "$nodes/online"
echo "${processors[0]}" > "$nodes/node0/cpulist"
echo "${processors[1]}" > "$nodes/node3/cpulist"

"$HADAL" synth --config tests/cli/small_v3.json --type q8_0 -o "$work/q8_0.gguf" > /dev/null 2>&1
"$HADAL" synth --config tests/cli/small_v3.json --type q4_k_m -o "$work/q4_k_m.gguf" > /dev/null 2>&1
"$HADAL" synth --config tests/golden/synthetic/deepseek_v3.json --type fp8 -o "$work/fp8" > /dev/null 2>&1
"$HADAL" synth --config tests/golden/synthetic/llama.json --type bf16 -o "$work/bf16" > /dev/null 2>&1

logits() { # MODEL OUT OPTIONS...
    "$HADAL" logits -m "$work/$1" --ids "$(seq -s, 3 60)" -o "$work/$2" "${@:3}" 2> "$work/errors"
}
for case in "q8_0.gguf --pack memory" "q8_0.gguf --pack file" "q8_0.gguf --pack off" "q4_k_m.gguf --pack auto" "fp8 --pack auto" \
    "bf16 --pack auto" "q8_0.gguf --strict"; do
    read -r -a words <<< "$case"
    logits "${words[0]}" plain.npy --threads 2 --numa off "${words[@]:1}"
    for threads in 2 5; do
        if logits "${words[0]}" placed.npy --threads $threads --numa "$nodes" "${words[@]:1}" && [ -s "$work/plain.npy" ] &&
            cmp -s "$work/plain.npy" "$work/placed.npy"; then
            pass "$case with $threads threads on two nodes has the same bits"
        else
            fail "$case with $threads threads on two nodes has the same bits" "$(cat "$work/errors")"
        fi
    done
done

text=$("$HADAL" check --numa "$nodes" --function nothing 2> /dev/null)
if grep -q 'memory nodes 2: node 0 has 1 processor and threads 0 to 0, node 3 has 1 processor' <<< "$text"; then
    pass "check tells of nodes"
else
    fail "check tells of nodes" "$text"
fi
json=$("$HADAL" check --numa "$nodes" --function nothing --json 2> /dev/null)
if grep -q '"memory_nodes":\[{"node":0,"processors":1,"first_thread":0,"threads":1},{"node":3' <<< "$json"; then
    pass "check --json tells of nodes"
else
    fail "check --json tells of nodes" "$json"
fi

echo "0,x" > "$nodes/online"
for folder in "$nodes" "$work/nowhere"; do
    if logits q8_0.gguf none.npy --numa "$folder" || ! grep -q "$folder/online: " "$work/errors"; then
        fail "a wrong folder is refused" "$(cat "$work/errors")"
    else
        pass "a wrong folder is refused"
    fi
done
report_end
