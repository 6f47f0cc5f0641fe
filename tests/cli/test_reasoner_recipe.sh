#!/usr/bin/env bash
# test_reasoner_recipe.sh - the script of recipes/reasoner in miniature: every stage but the rewards, a model that answers by
# its own template, and a second run that goes on where all is done.
set -uo pipefail
. tools/report.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HADAL EXERCISES READ=3 COLD=2 TAUGHT=2 POLISHED=2 SETTLED=2 REWARDED=0 TEXTS=200 STARTERS=200 CONVERSATIONS=200 TASKS=10 QUESTIONS=1 LONGEST=16
EXERCISES=$(dirname "$HADAL")/reasoner-tasks

if recipes/reasoner/run.sh "$work/out" > "$work/log" 2>&1; then
    pass "the recipe runs from nothing to held-out questions"
else
    fail "the recipe runs from nothing to held-out questions" "$(tail -5 "$work/log")"
fi
holds() { # FILE TEXT
    if grep -q -- "$2" "$1"; then pass "$2"; else fail "$2" "$(tail -5 "$1")"; fi
}
holds "$work/log" "questions-product-3x3"
before=$(cksum < "$work/out/settled/latest/model.safetensors")
recipes/reasoner/run.sh "$work/out" > "$work/again" 2>&1
if [ "$before" = "$(cksum < "$work/out/settled/latest/model.safetensors")" ] && ! grep -q '^step ' "$work/again"; then
    pass "a second run has nothing left to learn"
else
    fail "a second run has nothing left to learn" "$(head -5 "$work/again")"
fi
"$HADAL" render -m "$work/out/model" - <<< '[{"role": "user", "content": "7+8"}]' > "$work/prompt" 2>&1
holds "$work/prompt" "｜>7+8<｜Assistant｜><think>"
"$HADAL" inspect "$work/out/model" > "$work/inspect" 2>&1
holds "$work/inspect" "fp8 "
report_end
