#!/usr/bin/env bash
# test_check.sh - `hadal check`: kernels pass on this machine, results come as text and as JSON, mistakes are named.
set -uo pipefail
. tools/report.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if "$HADAL" check > "$work/text" 2> "$work/errors" && [ ! -s "$work/errors" ]; then
    pass "every kernel passes"
else
    fail "every kernel passes" "$(cat "$work/errors" "$work/text")"
fi
for text in "instructions " "threads " "scalar  dot_tile" "decode.q4_k" "gemm.bf16"; do
    if grep -q -- "$text" "$work/text"; then pass "shows $text"; else fail "shows $text" "$(head -20 "$work/text")"; fi
done

"$HADAL" check --json --cpu scalar --function maximum > "$work/json" 2> "$work/errors"
status=$?
odd=$(grep -vE '^\{"(processor|cpu)":.*\}$' "$work/json")
if [ $status = 0 ] && [ -z "$odd" ] && [ "$(wc -l < "$work/json")" -ge 4 ]; then
    pass "JSON has one object a line"
else
    fail "JSON has one object a line" "status $status: $odd"
fi
others=$(tail -n +2 "$work/json" | grep -v '"cpu":"scalar","function":"maximum","test":"[a-z]*","error":0.0,"bound":0.0,"passed":true')
clean "--cpu and --function choose what is checked" "$others"

"$HADAL" check --function maximum --cpu scalar --bench > "$work/text" 2> "$work/errors"
if grep -q 'G values/s' "$work/text"; then pass "--bench measures"; else fail "--bench measures" "$(cat "$work/text")"; fi

"$HADAL" check --function nothing-like-it > "$work/text" 2> "$work/errors"
status=$?
if [ $status = 1 ] && grep -q 'no kernel.*nothing-like-it' "$work/errors"; then
    pass "an unknown kernel is named"
else
    fail "an unknown kernel is named" "status $status: $(cat "$work/errors")"
fi
report_end
