#!/usr/bin/env bash
# test_plan.sh - hadal plan: what it refuses, that its three forms say the same, and that docs/PLAN.md has every formula.
set -uo pipefail
. tools/report.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# refused STATUS MESSAGE ARGUMENTS...
refused() {
    local expected=$1 message=$2 output
    shift 2
    output=$("$HADAL" plan "$@" 2> "$work/errors" < /dev/null)
    if [ $? = "$expected" ] && [ -z "$output" ] && [ "$(wc -l < "$work/errors")" = 1 ] && grep -qF -- "$message" "$work/errors"; then
        pass "refused: $message"
    else
        fail "refused: $message" "$output$(cat "$work/errors")"
    fi
}
# says MESSAGE ARGUMENTS...
says() {
    local message=$1 output
    shift
    output=$("$HADAL" plan "$@" 2>&1 < /dev/null)
    if [ $? = 0 ] && grep -qF -- "$message" <<< "$output"; then pass "plan $*: $message"; else fail "plan $*: $message" "$output"; fi
}

refused 2 "name fit, serve"
refused 2 "hadal plan presets: name fit" presets
refused 2 "did you mean day?" preset dya
refused 2 "unexpected argument 'more'" preset day more
refused 2 'day has no input "rent"' preset day --set rent=3
refused 2 "cost is computed" preset day --set cost=3
refused 2 '"three" is no number' preset day --set price=three
refused 2 "write NAME=NUMBER" preset day --set price
refused 2 "must be a number from 0 up" preset day --set price=-1
refused 1 "is not finite with these inputs" preset day --set tokens_in=0
refused 2 "choose one" preset day --json --html

refused 2 "name a published model" fit
refused 1 "nonesuch" fit nonesuch
refused 2 "need --hardware NAME" fit deepseek-v3 --json
refused 2 "a page is of one plan" hardware --html
refused 2 "a page is of one plan" preset --html
refused 2 "--hardware abacus: no such row" fit deepseek-v3 --hardware abacus
refused 2 "--type q9: bf16, fp8, or a type" fit deepseek-v3 --hardware h100 --type q9
refused 2 "--price r9: no such row" serve --price r9

says "deepseek-v3: devices that hold" fit deepseek-v3
says "r1-distill-qwen-32b in q4_k_m on NVIDIA GeForce RTX 4090" fit r1-distill-qwen-32b --hardware rtx-4090
says "is read from disk when it is needed" fit deepseek-v3 --hardware h100 --type iq1_s
says "cannot be streamed" fit deepseek-v3 --hardware rtx-4090 --type bf16
says "native        156.1" fit deepseek-v4-flash --hardware h200
says "tokens that attention looks at" fit deepseek-v4-pro --hardware b200 --ctx 1048576 --set devices=16
says "deepseek-v4-flash in native on NVIDIA H800" serve deepseek-v4-flash
says "(estimated)" hardware
says "70,272 bytes" fit deepseek-v3 --hardware h800 --ctx 8192 --batch 4
says "Serving is cheaper" serve --price r1
says "from an API at these prices is cheaper" serve --price v3.2 --set hour=20
says "days on the cluster" train
says "too small to hold" train --set devices=8

says "v3-training" preset
says "2,788,000 GPU-hours (published: 2,788,000, agrees)" preset v3-training
says "87,072 \$ (published: 87,072, agrees)" preset day
says "profit as a share of the cost, here 545.6 %" preset day
says "16,177 GPUs (published: 16,177, agrees)" preset guotai-junan
says "51,282 GPUs (published: 51,282, agrees)" preset guotai-junan
says "the arithmetic is 18.14 times less" preset guotai-junan
says "50,000 / 60 % is 83,334 chips" preset domestic-chips
says "2,368 TPP (published: 2,368, agrees)" preset tpp
says "cost = nodes * node_devices * 24 * price" preset day --formulas
says "130,608 \$ (published: 87,072)" preset day --set price=3
says "deepseek-reasoner" prices
says "H800" hardware

if ! command -v jq > /dev/null; then
    skip "the JSON and the document need jq"
    report_end
    exit
fi

"$HADAL" plan preset --json | jq -r .preset > "$work/presets"
for preset in $(cat "$work/presets"); do
    if "$HADAL" plan preset "$preset" --json | jq -e '[.results[] | select(.verdict == "differs")] == []' > /dev/null; then
        pass "$preset: every published figure comes out"
    else
        fail "$preset: every published figure comes out"
    fi
done
for list in hardware prices; do
    "$HADAL" plan $list --json | jq -s -e 'length > 10' > /dev/null && pass "$list as JSON" || fail "$list as JSON"
done

# The page's own script, without a browser, gives what the JSON says.
sed 's/^/preset /' "$work/presets" > "$work/plans"
printf '%s\n' "fit deepseek-v3 --hardware h200" "fit r1-distill-llama-8b --hardware m4-max" serve train >> "$work/plans"
if command -v node > /dev/null; then
    while read -ra preset; do
        "$HADAL" plan "${preset[@]}" --html > "$work/page.html" < /dev/null
        "$HADAL" plan "${preset[@]}" --json > "$work/page.json" < /dev/null
        wrong=$(node tests/cli/plan_page.mjs "$work/page.html" "$work/page.json" 2>&1 < /dev/null)
        if [ -z "$wrong" ]; then pass "${preset[*]}: the page computes the same"; else fail "${preset[*]}: the page computes the same" "$wrong"; fi
        grep -qE '(src|href)=|https?://[^w]' "$work/page.html" && fail "${preset[*]}: the page stands alone" || pass "${preset[*]}: the page stands alone"
    done < "$work/plans"
else
    skip "running the page needs node"
fi

missing=$(tools/plan_table.sh "$HADAL" | grep -vxFf docs/PLAN.md)
clean "docs/PLAN.md has every formula (tools/plan_table.sh HADAL --write)" "$missing"
report_end
