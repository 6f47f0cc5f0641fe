#!/usr/bin/env bash
# test_synth.sh - hadal synth: what it writes runs, the same seed writes the same file, refusals leave nothing behind.
set -uo pipefail
. tools/report.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
config=tests/cli/small_v3.json

refused() {
    local expected=$1 message=$2 output
    shift 2
    output=$("$HADAL" synth "$@" 2> "$work/errors")
    if [ $? = "$expected" ] && [ -z "$output" ] && [ "$(wc -l < "$work/errors")" = 1 ] && grep -qF -- "$message" "$work/errors"; then
        pass "refused: $message"
    else
        fail "refused: $message" "$output$(cat "$work/errors")"
    fi
}

# same WHAT A B
same() {
    if cmp -s "$2" "$3"; then pass "$1"; else fail "$1" "$2 and $3 differ"; fi
}

# ---- what is written runs, as text and as ids

for type in f32 bf16 f16 fp8; do
    if "$HADAL" synth --config "$config" --type "$type" -o "$work/$type" > "$work/out" 2> "$work/errors" &&
        "$HADAL" generate -m "$work/$type" --chat -p "Hello, bako!" -n 8 --temperature 0 --json > "$work/answer" 2>> "$work/errors" &&
        python3 -c 'import json, sys; j = json.load(open(sys.argv[1])); assert len(j["ids"]) == 8 and j["text"]' "$work/answer" 2>> "$work/errors"; then
        pass "$type directory generates"
    else
        fail "$type directory generates" "$(cat "$work/errors")"
    fi
done
for type in q8_0 q4_0 q4_k q6_k iq2_xxs mxfp4; do
    if "$HADAL" synth --config "$config" --type "$type" -o "$work/model.gguf" > "$work/out" 2> "$work/errors" &&
        "$HADAL" generate -m "$work/model.gguf" --ids 0,300,301 -n 4 --temperature 0 --json > "$work/answer" 2>> "$work/errors"; then
        pass "$type file generates"
    else
        fail "$type file generates" "$(cat "$work/errors")"
    fi
done
if grep -q '^.*model.gguf: [0-9]* tensors, [0-9.]* [kMG]*B in [0-9.]* s$' "$work/out"; then
    pass "says what it wrote"
else
    fail "says what it wrote" "$(cat "$work/out")"
fi

# ---- the same model in both containers says the same: config, keys and names agree

"$HADAL" synth --config "$config" --type f32 -o "$work/f32.gguf" > /dev/null
for model in f32 f32.gguf; do
    "$HADAL" inspect "$work/$model" --json | python3 -c '
import json, sys
j = json.load(sys.stdin)
print([j[k] for k in ("architecture", "parameters", "active_parameters", "layers", "attention", "experts", "context", "bos", "eos", "problem")])
' > "$work/$model.facts"
done
same "both containers hold the same model" "$work/f32.facts" "$work/f32.gguf.facts"

# ---- seeds

"$HADAL" synth --config "$config" --type q4_0 --threads 1 -o "$work/one.gguf" > /dev/null
"$HADAL" synth --config "$config" --type q4_0 --threads 2 -o "$work/two.gguf" > /dev/null
"$HADAL" synth --config "$config" --type q4_0 --seed 2 -o "$work/other.gguf" > /dev/null
same "threads do not show" "$work/one.gguf" "$work/two.gguf"
if cmp -s "$work/one.gguf" "$work/other.gguf"; then fail "another seed is another file"; else pass "another seed is another file"; fi
"$HADAL" synth --like deepseek-v2-lite --layers 1 --type q4_0 -o "$work/large.gguf" > /dev/null
if "$HADAL" tokenize -m "$work/large.gguf" <<< "Hello" | grep -q '^\['; then pass "a published name"; else fail "a published name"; fi

# ---- refusals

refused 2 "-o PATH" --like deepseek-v3
refused 2 "one of --like NAME and --config FILE" -o "$work/none"
refused 2 "one of --like NAME and --config FILE" --like deepseek-v3 --config "$config" -o "$work/none"
refused 2 "deepseek-v2-lite, deepseek-v2" --like deepseek-v9 -o "$work/none"
refused 2 "'q9' is no number format" --like deepseek-v3 --type q9 -o "$work/none"
refused 2 "must end in .gguf" --like deepseek-v3 --type q8_0 -o "$work/none"
refused 2 "GGUF cannot hold fp8" --like deepseek-v3 --type fp8 -o "$work/none.gguf"
refused 2 "99 layers: deepseek-v3 has 61" --like deepseek-v3 --layers 99 -o "$work/none"
refused 1 "exists" --config "$config" -o "$work/f32"
refused 1 "No such file" --config "$work/nosuch.json" -o "$work/none"
if compgen -G "$work/none*" > /dev/null || compgen -G "$work/*partial*" > /dev/null; then
    fail "refusals leave nothing behind" "$(ls "$work")"
else
    pass "refusals leave nothing behind"
fi

# ---- an interrupted job

"$HADAL" synth --like deepseek-v2-lite --type q8_0 -o "$work/long.gguf" > "$work/out" 2> "$work/errors" &
job=$!
for _ in $(seq 100); do
    compgen -G "$work/long.gguf.partial*" > /dev/null && break
    sleep 0.05
done
kill -TERM "$job"
wait "$job"
if [ $? = 1 ] && ! compgen -G "$work/long*" > /dev/null; then
    pass "an interrupted job removes what it began"
else
    fail "an interrupted job removes what it began" "$(ls "$work")"
fi
report_end
