#!/usr/bin/env bash
# test_quantize.sh - hadal quantize: what it writes runs, the report in both forms, overrides, refusals that leave
# nothing behind.
set -uo pipefail
. tools/report.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$HADAL" synth --config tests/cli/small_v3.json --type fp8 -o "$work/source" > /dev/null || fail "synth"

refused() {
    local expected=$1 message=$2 output
    shift 2
    output=$("$HADAL" quantize "$@" 2> "$work/errors")
    if [ $? = "$expected" ] && [ -z "$output" ] && [ "$(wc -l < "$work/errors")" = 1 ] && grep -qF -- "$message" "$work/errors"; then
        pass "refused: $message"
    else
        fail "refused: $message" "$output$(cat "$work/errors")"
    fi
}

# expect WHAT FOUND EXPECTED
expect() {
    if [ "$2" = "$3" ]; then pass "$1"; else fail "$1" "$2, expected $3"; fi
}

# ---- every type runs, tokenizer and template included

for type in q8_0 q6_k q5_k q4_k q4_0 iq4_xs q3_k q2_k q2_k_m q3_k_s q3_k_m q3_k_l q4_k_s q4_k_m q5_k_s q5_k_m bf16 f16 f32; do
    if "$HADAL" quantize "$work/source" --type "$type" -o "$work/model.gguf" > "$work/out" 2> "$work/errors" &&
        "$HADAL" generate -m "$work/model.gguf" --chat -p "Hello, bako!" -n 4 --temperature 0 --json > "$work/answer" 2>> "$work/errors"; then
        pass "$type generates"
    else
        fail "$type generates" "$(cat "$work/errors")"
    fi
done

# ---- DeepSeek's own format, in a directory

"$HADAL" synth --config tests/cli/small_v3.json --type f32 -o "$work/plain" > /dev/null || fail "synth"
if "$HADAL" quantize "$work/plain" --type fp8 -o "$work/fp8" > "$work/out" 2> "$work/errors" &&
    grep -q 'relative RMS error of the fp8 matrices 0.02' "$work/out" &&
    grep -q '"quant_method": "fp8"' "$work/fp8/config.json" &&
    "$HADAL" generate -m "$work/fp8" --chat -p "Hello, bako!" -n 4 --temperature 0 --json > "$work/answer" 2>> "$work/errors" &&
    "$HADAL" quantize "$work/fp8" --type fp8 -o "$work/again" > /dev/null 2>> "$work/errors" &&
    cmp "$work/fp8/model.safetensors" "$work/again/model.safetensors" 2>> "$work/errors"; then
    pass "fp8 generates, and once more changes nothing"
else
    fail "fp8 generates, and once more changes nothing" "$(cat "$work/out" "$work/errors")"
fi
names=$(python3 -c '
import json, struct, sys
with open(sys.argv[1], "rb") as file:
    head = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
head.pop("__metadata__", None)
for name, tensor in head.items():
    if tensor["dtype"] == "F8_E4M3":
        scale = head[name + "_scale_inv"]
        assert scale["dtype"] == "F32" and scale["shape"] == [-(-n // 128) for n in tensor["shape"]], name
kinds = {tensor["dtype"] for name, tensor in head.items() if "embed" in name or "head" in name or "norm" in name or name.endswith("gate.weight")}
print(kinds, sum(tensor["dtype"] == "F8_E4M3" for tensor in head.values()) > 10)' "$work/fp8/model.safetensors")
expect "fp8 has scales for blocks, and tables and norms in BF16" "$names" "{'BF16'} True"
refused 1 "exists" "$work/plain" --type fp8 -o "$work/fp8"
refused 2 "--override" "$work/plain" --type fp8 --override 'x=q8_0' -o "$work/none"
refused 1 "only Hugging Face directories" "$work/model.gguf" --type fp8 -o "$work/none"

# ---- f32 says what the source says

"$HADAL" generate -m "$work/source" --chat -p "bako deli" -n 8 --temperature 0 --json > "$work/a"
"$HADAL" generate -m "$work/model.gguf" --chat -p "bako deli" -n 8 --temperature 0 --json > "$work/b"
ids='import json, sys; j = json.load(open(sys.argv[1])); print(j["prompt_ids"], j["ids"])'
expect "f32 generates the source's tokens" "$(python3 -c "$ids" "$work/b")" "$(python3 -c "$ids" "$work/a")"
"$HADAL" tokenize -m "$work/source" <<< "bako <think> 1234" > "$work/a"
"$HADAL" tokenize -m "$work/model.gguf" <<< "bako <think> 1234" > "$work/b"
expect "both tokenize alike" "$(cat "$work/b")" "$(cat "$work/a")"

# ---- the report

"$HADAL" quantize "$work/source" --type q8_0 -o "$work/q8.gguf" > "$work/out"
if grep -q '^.*q8.gguf: [0-9]* tensors, [0-9.]* [kMG]*B in [0-9.]* s$' "$work/out" &&
    grep -qE '^  q8_0 +[0-9]+ tensors .* bits/weight +relative RMS error 0\.00[0-9]+' "$work/out" && grep -q '^  all ' "$work/out"; then
    pass "says what it wrote"
else
    fail "says what it wrote" "$(cat "$work/out")"
fi
"$HADAL" quantize "$work/q8.gguf" --type q8_0 -o "$work/again.gguf" --json > "$work/out"
expect "JSON: all of it was copied" "$(python3 -c '
import json, sys
j = json.load(open(sys.argv[1]))
print(j["elements"] == j["copied_elements"] == sum(t["elements"] for t in j["types"]), j["relative_rms_error"],
      8 < j["bits_per_weight"] < 12, j["pre_tokenizer"], {t["type"] for t in j["types"]} >= {"f32", "q8_0", "bf16"})' "$work/out")" "True 0.0 True None True"
cmp -s <("$HADAL" inspect "$work/q8.gguf" --json | sed 's/q8\.gguf//g') <("$HADAL" inspect "$work/again.gguf" --json | sed 's/again\.gguf//g') &&
    pass "a copy of a file is the same model" || fail "a copy of a file is the same model"

# ---- options

types() { # FILE NAME...
    "$HADAL" inspect "$1" --json | python3 -c '
import json, sys
t = {t["name"]: t["dtype"] for t in json.load(sys.stdin)["tensors"]}
print(*(t.get(n) for n in sys.argv[1:]))' "${@:2}"
}
"$HADAL" quantize "$work/source" --type q8_0 --override 'blk.*_exps.weight=q4_0' --override 'blk.2.ffn_up_exps*=f16' \
    --no-mtp -o "$work/mixed.gguf" > /dev/null
expect "overrides" "$(types "$work/mixed.gguf" blk.1.ffn_up_exps.weight blk.2.ffn_up_exps.weight blk.0.attn_q_a.weight blk.0.attn_k_b.weight)" \
    "q4_0 f16 q8_0 bf16"
expect "--no-mtp" "$(types "$work/mixed.gguf" blk.3.nextn.eh_proj.weight)" "None"
expect "MTP is kept otherwise" "$(types "$work/q8.gguf" blk.3.nextn.eh_proj.weight)" "bf16"

# ---- refusals

refused 2 "name the model" --type q8_0 -o "$work/none.gguf"
refused 2 "-o FILE" "$work/source" --type q8_0
refused 2 "--type says" "$work/source" -o "$work/none.gguf"
refused 2 "'q9' is no number format" "$work/source" --type q9 -o "$work/none.gguf"
refused 2 "no such mix of type q8_0" "$work/source" --type q8_0_m -o "$work/none.gguf"
refused 2 "type iq1_s cannot be written" "$work/source" --type iq1_s -o "$work/none.gguf"
refused 2 "type fp8 cannot be written" "$work/source" --type fp8 -o "$work/none.gguf"
refused 2 "must be PATTERN=TYPE" "$work/source" --type q8_0 --override blk -o "$work/none.gguf"
refused 2 "'q9' is no number format" "$work/source" --type q8_0 --override 'blk*=q9' -o "$work/none.gguf"
refused 2 "matches no tensor" "$work/source" --type q8_0 --override 'block*=q4_0' -o "$work/none.gguf"
refused 1 "nosuch" "$work/nosuch" --type q8_0 -o "$work/none.gguf"
refused 1 "No such file" "$work/source" --type q8_0 -o "$work/nosuch/none.gguf"
refused 1 "is a directory" "$work/source" --type q8_0 -o "$work"
head -c 5000 "$work/q8.gguf" > "$work/short.gguf"
refused 1 "short.gguf" "$work/short.gguf" --type q8_0 -o "$work/none.gguf"
rm "$work/source/tokenizer.json"
refused 1 "tokenizer.json" "$work/source" --type q8_0 -o "$work/none.gguf"
if compgen -G "$work/none*" > /dev/null || compgen -G "$work/*partial*" > /dev/null; then
    fail "refusals leave nothing behind" "$(ls "$work")"
else
    pass "refusals leave nothing behind"
fi
report_end
