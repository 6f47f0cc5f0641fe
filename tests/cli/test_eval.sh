#!/usr/bin/env bash
# test_eval.sh - hadal eval: perplexity as the logits have it, stored and loaded predictions that agree, refusals; and what an
# importance matrix is good for.
set -uo pipefail
. tools/report.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$HADAL" synth --config tests/cli/small_v3.json --type f32 -o "$work/model" > /dev/null || fail "synth"
for i in $(seq 60); do echo "bako deli $i mono, \"tasu\" $((i * i)) <think> bako"; done > "$work/text"

evaluate() { "$HADAL" eval --ctx 32 --json "$@" 2> "$work/errors"; }
value() { python3 -c 'import json, sys; j = json.load(open(sys.argv[1])); print(eval(sys.argv[2], {"j": j, "abs": abs}))' "$work/$1" "$2"; }
# expect WHAT FOUND EXPECTED
expect() {
    if [ "$2" = "$3" ]; then pass "$1"; else fail "$1" "$2, expected $3; $(cat "$work/errors")"; fi
}

# ---- perplexity

evaluate -m "$work/model" --perplexity "$work/text" --chunks 4 > "$work/a"
expect "half of each window is predicted" "$(value a '(j["windows"], j["window"], j["first"], j["predicted"])')" "(4, 32, 16, 60)"
evaluate -m "$work/model" --perplexity - --chunks 4 --scored all < "$work/text" > "$work/b"
expect "--scored all" "$(value b 'j["predicted"]')" "124"

# The same from hadal logits: the begin token stands in for the first of the window.
ids=$("$HADAL" tokenize -m "$work/model" --plain < "$work/text" | tr -d '[] \n' | cut -d, -f1-31)
bos=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["bos_token_id"])' "$work/model/config.json")
"$HADAL" logits -m "$work/model" --ids "$bos,$ids" -o "$work/logits.npy" 2> "$work/errors"
evaluate -m "$work/model" --perplexity "$work/text" --chunks 1 --scored all > "$work/one"
python3 - "$work/logits.npy" "$bos,$ids" "$(value one 'j["perplexity"]["value"]')" > "$work/out" 2>&1 << 'END'
import math, struct, sys
data = open(sys.argv[1], "rb").read()
head = 10 + struct.unpack_from("<H", data, 8)[0]
ids = [int(i) for i in sys.argv[2].split(",")]
vocab = (len(data) - head) // 4 // len(ids)
loss = 0
for r in range(len(ids) - 1):
    row = struct.unpack_from("<%df" % vocab, data, head + 4 * r * vocab)
    loss += math.log(sum(map(math.exp, row))) - row[ids[r + 1]]
expected = math.exp(loss / (len(ids) - 1))
print("equal" if abs(expected / float(sys.argv[3]) - 1) < 1e-5 else "%g, not %s" % (expected, sys.argv[3]))
END
expect "perplexity is that of hadal logits" "$(cat "$work/out")" "equal"

# ---- comparisons

"$HADAL" quantize "$work/model" --type q4_0 -o "$work/q4.gguf" > /dev/null
evaluate -m "$work/model" --perplexity "$work/text" --chunks 6 --kv-type f32 --save-logits "$work/stored" > /dev/null
expect "stores predictions" "$([ -s "$work/stored" ] && echo yes)" "yes"
"$HADAL" eval -m "$work/q4.gguf" --compare "$work/stored" --kv-type f32 --json > "$work/a" 2> "$work/errors"
evaluate -m "$work/q4.gguf" --perplexity "$work/text" --chunks 6 --kv-type f32 --compare "$work/model" > "$work/b"
both='j["comparison"]["kl_divergence"]["mean"]'
expect "stored and loaded predictions agree" \
    "$(python3 -c 'import sys; a, b = map(float, sys.argv[1:]); print(a > 0 and abs(a - b) < 1e-3 * b + 1e-7)' "$(value a "$both")" "$(value b "$both")")" "True"
evaluate -m "$work/model" --compare "$work/stored" --kv-type f32 > "$work/a"
expect "a model is no distance from itself" \
    "$(value a "abs($both) < 1e-6 and j['comparison']['same_top']['value'] > 0.98 and abs(j['comparison']['perplexity_ratio']['value'] - 1) < 1e-4")" "True"
"$HADAL" eval -m "$work/q4.gguf" --compare "$work/stored" --chunks 2 > "$work/out" 2> "$work/errors"
if grep -q '^perplexity [0-9.]* +- [0-9.]* over 2 windows of 32 tokens' "$work/out" && grep -q 'KL divergence' "$work/out" && grep -q '99 %' "$work/out"; then
    pass "the report"
else
    fail "the report" "$(cat "$work/out" "$work/errors")"
fi

# ---- refusals

refused() {
    local expected=$1 message=$2 output
    shift 2
    output=$("$HADAL" eval "$@" 2> "$work/errors")
    if [ $? = "$expected" ] && [ -z "$output" ] && [ "$(wc -l < "$work/errors")" = 1 ] && grep -qF -- "$message" "$work/errors"; then
        pass "refused: $message"
    else
        fail "refused: $message" "$output$(cat "$work/errors")"
    fi
}
refused 2 "nothing to evaluate" -m "$work/model"
refused 2 "needs a text" -m "$work/model" --compare "$work/q4.gguf"
cp "$HADAL" "$work/alone" # away from the model that comes with it
HADAL=$work/alone refused 2 "no model given" --perplexity "$work/text"
refused 1 "fill no window" -m "$work/model" --perplexity "$work/text" --ctx 4096
refused 1 "nosuch" -m "$work/model" --perplexity "$work/nosuch"
refused 1 "another text" -m "$work/model" --perplexity README.md --compare "$work/stored"
refused 2 "not of --ctx 33" -m "$work/model" --ctx 33 --compare "$work/stored"
head -c 3000 "$work/stored" > "$work/cut"
refused 1 "its size is not" -m "$work/model" --compare "$work/cut"
python3 -c 'import sys; b = bytearray(open(sys.argv[1], "rb").read()); b[-100] ^= 1; open(sys.argv[2], "wb").write(b)' "$work/stored" "$work/flipped"
refused 1 "the checksum does not fit" -m "$work/model" --compare "$work/flipped"
sed 's/"vocab_size": *\([0-9]*\)/"vocab_size": 600/' tests/cli/small_v3.json > "$work/other.json"
"$HADAL" synth --config "$work/other.json" --type f32 -o "$work/other" > /dev/null 2>&1
refused 1 "vocabulary" -m "$work/other" --compare "$work/stored"

# ---- importance matrices

if evaluate -m "$work/model" --perplexity "$work/text" --imatrix "$work/imatrix.gguf" > "$work/a"; then
    pass "collects an importance matrix"
else
    fail "collects an importance matrix" "$(cat "$work/errors")"
fi
expect "of all matrices" "$(value a 'j["imatrix_entries"] > 20')" "True"
"$HADAL" quantize "$work/model" --type q4_0 --imatrix "$work/imatrix.gguf" -o "$work/weighed.gguf" --json > "$work/a" 2> "$work/errors"
# the embedding, and the module's embedding and head
expect "quantize finds data for all but tables" "$(value a '(j["imatrix"]["weighed"] > 20, j["imatrix"]["unweighed"])')" "(True, 3)"
head -c 1000 "$work/imatrix.gguf" > "$work/cut.gguf"
output=$("$HADAL" quantize "$work/model" --type q4_0 --imatrix "$work/cut.gguf" -o "$work/none.gguf" 2>&1)
if [ $? = 1 ] && [[ $output == *cut.gguf* ]] && [ ! -e "$work/none.gguf" ]; then
    pass "a damaged importance matrix is refused"
else
    fail "a damaged importance matrix is refused" "$output"
fi
report_end
