#!/usr/bin/env bash
# test_inspect.sh - hadal inspect: published shapes from their config alone, real files, both printed forms, refusals.
set -uo pipefail
. tools/report.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# field NAME ARGUMENTS...: one field of the JSON form, as JSON
field() {
    local name=$1
    shift
    "$HADAL" inspect "$@" --json | python3 -c "import json, sys; print(json.dumps(json.load(sys.stdin)$name))"
}

# expect WHAT FOUND EXPECTED
expect() {
    if [ "$2" = "$3" ]; then pass "$1"; else fail "$1" "$2, expected $3"; fi
}

refused() {
    local expected=$1 message=$2 output
    shift 2
    output=$("$HADAL" inspect "$@" 2> "$work/errors")
    if [ $? = "$expected" ] && [ -z "$output" ] && [ "$(wc -l < "$work/errors")" = 1 ] && grep -qF -- "$message" "$work/errors"; then
        pass "refused: $message"
    else
        fail "refused: $message" "$output$(cat "$work/errors")"
    fi
}

# ---- published shapes

while read -r name parameters active mtp cache; do
    expect "$name: parameters" "$(field '["parameters"]' "$name")" "$parameters"
    expect "$name: active" "$(field '["active_parameters"]' "$name")" "$active"
    expect "$name: of MTP" "$(field '["mtp_parameters"]' "$name")" "$mtp"
    expect "$name: cache of a token" "$(field '["kv_bytes_per_token"]' "$name")" "$cache"
done << 'END'
deepseek-v2-lite 15706484224 2451435008 0 31104
deepseek-v2 235741434880 20851512320 0 69120
deepseek-v3 671026419200 36625618432 11610068224 70272
r1-distill-qwen-1.5b 1777088000 1543714304 0 28672
r1-distill-llama-70b 70553706496 69503033344 0 327680
END
expect "cache in f32" "$(field '["kv_bytes_per_token"]' deepseek-v2-lite --kv-type f32)" 62208
expect "cache in q8_0" "$(field '["kv_bytes_per_token"]' deepseek-v2-lite --kv-type q8_0)" 18144
expect "no weights, no bytes" "$(field '["bytes"]' deepseek-v3)" 0
expect "no weights, no tensors" "$(field '["tensors"]' deepseek-v3)" '[]'
expect "experts" "$(field '["experts"]["used"]' deepseek-v3)" 8

# ---- a config alone, by its own path and by its directory's

cp tests/fuzz/corpus/config/deepseek-v3.json "$work/config.json"
expect "config.json" "$(field '["parameters"]' "$work/config.json")" 671026419200
expect "directory with nothing but a config" "$(field '["parameters"]' "$work")" 671026419200
expect "its form" "$(field '["form"]' "$work")" '"config"'
"$HADAL" inspect "$work" > "$work/text"
if grep -q '671,026,419,200' "$work/text" && grep -q '70,272 bytes in bf16' "$work/text"; then
    pass "the table has them too"
else
    fail "the table has them too" "$(cat "$work/text")"
fi

# ---- files

"$HADAL" synth --config tests/cli/small_v3.json --type fp8 -o "$work/small" > /dev/null || fail "synth of a directory"
"$HADAL" synth --config tests/cli/small_v3.json --type q4_k -o "$work/small.gguf" > /dev/null || fail "synth of GGUF"
expect "a directory's problem" "$(field '["problem"]' "$work/small")" null
expect "a GGUF file's problem" "$(field '["problem"]' "$work/small.gguf")" null
expect "both have as many parameters" "$(field '["parameters"]' "$work/small.gguf")" "$(field '["parameters"]' "$work/small")"
expect "GGUF leaves MTP out" "$(field '["mtp_layers"]' "$work/small.gguf")" 0
expect "bytes are the tensors'" "$("$HADAL" inspect "$work/small" --json | python3 -c '
import json, sys
j = json.load(sys.stdin)
print(j["bytes"] == sum(t["bytes"] for t in j["tensors"]) <= j["file_bytes"] and len(j["tensors"]) > 50)')" True
expect "a tensor of it" "$("$HADAL" inspect "$work/small" --json | python3 -c '
import json, sys
t = {t["name"]: t for t in json.load(sys.stdin)["tensors"]}["model.layers.1.mlp.experts.7.down_proj.weight"]
print(t["dtype"], t["shape"], t["bytes"], t["file"].endswith("model.safetensors"))')" "fp8 [256, 96] 24584 True"
"$HADAL" inspect "$work/small.gguf" > "$work/text"
if grep -q '^  q4_k ' "$work/text" && grep -q '^  q5_0 ' "$work/text" && ! grep -q 'cannot be run' "$work/text"; then
    pass "types are listed"
else
    fail "types are listed" "$(cat "$work/text")"
fi

# weights that do not fit the config: everything is shown, and what is wrong
sed -i 's/"num_hidden_layers": 3/"num_hidden_layers": 4/' "$work/small/config.json"
expect "what is wrong is named" "$("$HADAL" inspect "$work/small" --json | python3 -c '
import json, sys
j = json.load(sys.stdin)
print("model.layers.3" in j["problem"], len(j["tensors"]) > 50)')" "True True"
"$HADAL" inspect "$work/small" > "$work/text"
if grep -q 'It cannot be run: .*model.layers.3' "$work/text"; then pass "in the table, too"; else fail "in the table, too"; fi

# ---- refusals

refused 2 "name a directory"
refused 1 "none of the published models: deepseek-v2-lite" deepseek-v9
refused 1 "nosuch/model" nosuch/model
refused 1 "has no config.json" tests
echo '{"model_type": "deepseek_v3"}' > "$work/config.json"
refused 1 "$work/config.json: field \"vocab_size\" is missing" "$work"
head -c 1000 "$work/small.gguf" > "$work/short.gguf"
refused 1 "short.gguf" "$work/short.gguf"
report_end
