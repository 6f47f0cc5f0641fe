#!/usr/bin/env bash
# test_bench.sh - hadal bench: which tests it runs, the shape of its lines, and what it refuses. Never how fast.
set -uo pipefail
. tools/report.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export XDG_CACHE_HOME=$work/cache # measured ceilings are kept there
model=../shared/models/tiny-v3

# refused STATUS MESSAGE ARGUMENTS...
refused() {
    local expected=$1 message=$2 output
    shift 2
    output=$("$HADAL" bench "$@" 2> "$work/errors" < /dev/null)
    if [ $? = "$expected" ] && [ -z "$output" ] && [ "$(wc -l < "$work/errors")" = 1 ] && grep -qF -- "$message" "$work/errors"; then
        pass "refused: $message"
    else
        fail "refused: $message" "$output$(cat "$work/errors")"
    fi
}

cp "$HADAL" "$work/alone" # away from the model that comes with it
HADAL=$work/alone refused 2 "no model given"
refused 1 "/nonexistent" -m /nonexistent
refused 2 "nothing to measure: --test prefill with 0 tokens" -m "$model" --test prefill -p 0
refused 2 "hadal bench machines: name load, machine, kernels, attention, plot or model" machines
refused 2 "unexpected argument 'q4_k' (hadal bench kernels [options])" kernels q4_k
refused 2 "--type u8: no number format of weights" kernels --type u8 --json --memory-limit 1M
refused 2 "--like v9: no published model of that name" attention --like v9
refused 2 "name the records and the file to write" plot
refused 2 "name the records and the file to write" plot "$work/none.json"
refused 1 "none.json" plot "$work/none.json" -o "$work/none.svg"

# lines NAME FILTER EXPECTED: what jq makes of all lines
lines() {
    local found
    found=$(jq -s -c "$2" "$work/lines" 2>&1)
    if [ "$found" = "$3" ]; then pass "$1"; else fail "$1" "$found, expected $3"; fi
}

# part ARGUMENTS...: a form without a model; the lines in $work/lines
part() {
    "$HADAL" bench "$@" --json > "$work/lines" 2> "$work/errors" && [ ! -s "$work/errors" ] ||
        fail "bench $*" "$(cat "$work/errors")"
}

if ! command -v jq > /dev/null; then
    skip "the shape of the lines needs jq"
    report_end
    exit
fi
part machine --memory-limit 8M -r 3 -t 2
lines "ceilings of one thread and of all" 'map(.test == "machine" and (.samples | length) == 3 and .median > 0 and .spread >= 0) | all' true
lines "what is measured" 'map(select(.threads == 2) | .ceiling) | (index("read") == 0) and contains(["copy", "f32", "int8", "wake_warm", "wake_cold"])' true
lines "one thread wakes nobody" 'map(select(.threads == 1) | .ceiling) | contains(["f32"]) and (contains(["wake_cold"]) | not)' true
lines "units" 'map({key: .ceiling, value: .unit}) | from_entries | [.read, .f32, .wake_cold]' '["bytes/s","operations/s","s"]'
kept=$(jq -c '[.version, (.records | map(.threads))]' "$work/cache/hadal/machine.json" 2>&1)
[ "$kept" = '[1,[1,2]]' ] && pass "ceilings are kept" || fail "ceilings are kept" "$kept"
read=$(jq -r '.records[1].ceilings[0].median' "$work/cache/hadal/machine.json")

part kernels --type q4_k -b 1,5 -r 2 -t 2 --memory-limit 1M
lines "kernels by rows" 'map([.test, .type, .rows, (.seconds | length)])' '[["kernel","q4_k",1,2],["kernel","q4_k",5,2]]'
lines "operations follow the rows" 'map(.operations == 2 * .rows * .outs * .in and .operations_per_second > 0 and .peak_share > 0) | all' true
lines "shares are of what was kept" "map([.ceilings_stored, .machine_read_bytes_per_second]) | unique" "[[true,$read]]"
part kernels --type bf16 -b 2 -r 1 -t 1 --memory-limit 1M --cpu scalar
lines "a level without a record is measured briefly" 'map([.type, .form, .bytes, .ceilings_stored, .cpu])' '[["bf16","native",29360128,false,"scalar"]]'
printf '{"version": 1, "processor": 5, "records": [{"cpu": {}}]}' > "$work/cache/hadal/machine.json"
part attention -d 0,100 -b 1,3 -p 20 -r 1 -t 2 --kv-type q8_0
lines "a damaged record of the machine is passed over" 'map(.ceilings_stored) | unique' '[false]'
lines "attention by depth and sequences" 'map([.test, .depth, .batch, .rows])' \
    '[["attention_decode",0,1,1],["attention_decode",0,3,3],["attention_prefill",0,1,20],["attention_decode",100,1,1],["attention_decode",100,3,3],["attention_prefill",100,1,20]]'
lines "what attention it is" 'map([.like, .attention, .heads, .kv_type]) | unique' '[["deepseek-v2-lite","latent",16,"q8_0"]]'
lines "bytes grow with the depth" '[.[0], .[3]] | map(.bytes) | .[0] < .[1]' true
part attention --like r1-distill-qwen-1.5b -d 64 -p 0 -r 1
lines "grouped attention" 'map([.attention, .heads, .bytes, .operations])' '[["grouped",12,66560,399360]]'

# what a plot is made of
cat > "$work/records.json" << 'END'
{"test":"decode","tokens":64,"depth":0,"batch":1,"tokens_per_second":[9,10,11],"median":10,"model":"a/<b> & \"c\".gguf","cpu":"avx512"}
{"test":"decode","tokens":64,"depth":4096,"batch":1,"tokens_per_second":[8,8,8],"median":8,"model":"a/<b> & \"c\".gguf","cpu":"avx512"}
{"test":"decode","tokens":64,"depth":0,"batch":8,"tokens_per_second":[40,41],"median":40.5,"model":"a/<b> & \"c\".gguf","cpu":"avx512"}
{"test":"tokenizer","median":1}
END
cat > "$work/ratios.json" << 'END'
{"results": [{"test": "prefill", "tokens": 512, "depth": 0, "program": "peer", "median": 3, "tokens_per_second": [3], "model": "m.gguf"}],
 "ratios": [{"test": "prefill", "tokens": 512, "depth": 0, "peer": "peer", "ratio": 2.5, "low": 2, "high": 3, "model": "m.gguf"}]}
END
well_formed() {
    python3 -c 'import sys, xml.dom.minidom as d; t = d.parse(sys.argv[1]).documentElement; assert t.tagName == "svg"; print(len(t.getElementsByTagName("polyline")), len(t.getElementsByTagName("circle")), len(t.getElementsByTagName("rect")))' "$1" 2>&1
}
"$HADAL" bench plot "$work/records.json" "$work/ratios.json" -o "$work/plot.svg" > "$work/table" 2> "$work/errors"
found=$(well_formed "$work/plot.svg")
[ "$found" = "2 4 2" ] && [ ! -s "$work/table" ] && pass "a plot is well-formed and has its points" || fail "a plot is well-formed and has its points" "$found $(cat "$work/errors")"
grep -q 'prefers-color-scheme:dark' "$work/plot.svg" && grep -q '&lt;b&gt; &amp; &quot;c&quot;' "$work/plot.svg" &&
    pass "dark paper, and names that are no markup" || fail "dark paper, and names that are no markup"
"$HADAL" bench plot "$work/ratios.json" -o "$work/bars.svg" && [ "$(well_formed "$work/bars.svg")" = "0 0 2" ] && pass "ratios alone" || fail "ratios alone"
printf '{"test":"decode","depth":0,"median":-1}' > "$work/bad.json"
refused 1 'bad.json: field "median" is -1' plot "$work/bad.json" -o "$work/bad.svg"
printf '[1]' > "$work/bad.json"
refused 1 'bad.json: a record is a JSON object' plot "$work/bad.json" -o "$work/bad.svg"
printf '{"test":"decode"}\n{"test":' > "$work/bad.json"
refused 1 'bad.json:1: field "depth" is missing' plot "$work/bad.json" -o "$work/bad.svg"
printf '{"test":"tokenizer"}\n' > "$work/bad.json"
refused 1 "nothing to draw" plot "$work/bad.json" -o "$work/bad.svg"
[ ! -e "$work/bad.svg" ] && pass "no picture of what cannot be read" || fail "no picture of what cannot be read"

if [ ! -d "$model" ]; then
    skip "measuring needs $model"
    report_end
    exit
fi
refused 2 "--ctx 100 has no room for a depth of 90 and 16 tokens" -m "$model" --ctx 100 -d 90,1 -p 16 -n 4
refused 1 "beyond the model's 4096" -m "$model" -d 4096
refused 1 "is empty" -m "$model" --json --test tokenizer --text-file /dev/null

# measure ARGUMENTS...: the lines in $work/lines
measure() {
    if ! "$HADAL" bench -m "$model" --json "$@" > "$work/lines" 2> "$work/errors"; then
        fail "bench $*" "$(cat "$work/errors")"
    elif [ -s "$work/errors" ]; then
        fail "bench $* is quiet" "$(cat "$work/errors")"
    fi
}

measure -p 24 -n 3 -d 70,0 -b 1,3 -r 2 -t 2 --batch-size 16
lines "tests in order of depth" 'map([.test, if .test == "tokenizer" then .tokens > 100000 else .tokens end, .depth, .batch])' \
    '[["prefill",24,0,1],["decode",3,0,1],["decode",3,0,3],["prefill",24,70,1],["decode",3,70,1],["decode",3,70,3],["tokenizer",true,0,1]]'
lines "every line has its samples" 'map(.tokens_per_second | length) | unique' '[2]'
lines "speeds are positive numbers" 'map(.tokens_per_second + [.median] | all(. > 0)) | all' true
lines "the median of two is between them" \
    'map((.tokens_per_second | min) <= .median * 1.000001 and .median <= (.tokens_per_second | max) * 1.000001) | all' true
lines "threads" 'map(.threads)' '[2,2,2,2,2,2,1]'
lines "what ran" 'map([.model, .version]) | unique' "[[\"$model\",\"$("$HADAL" --version | cut -d' ' -f2)\"]]"
lines "the model" '.[:6] | map([.architecture, .parameters > .active_parameters, .kv_type, .strict, .batch_size]) | unique | .[0] | .[:2] + .[3:]' \
    '["deepseek_v3",true,false,16]'
lines "bytes of one token grow with the depth" \
    'map(select(.bytes_per_token)) | (length == 2) and (.[0].bytes_per_token < .[1].bytes_per_token) and (map(.read_share > 0) | all)' true
lines "a step of three reads more than one of one, and less than three" \
    'map(select(.test == "decode" and .depth == 70)) | .[0].bytes_per_step < .[1].bytes_per_step and .[1].bytes_per_step < 3 * .[0].bytes_per_step' true
lines "prefill against the peak" 'map(select(.test == "prefill")) | map(.operations_per_second > 0 and .peak_share > 0 and (.peak | length) > 0) | all' true
lines "operations of a prompt grow with its depth" 'map(select(.test == "prefill") | .operations) | .[0] < .[1]' true
lines "spread" 'map(.spread >= 0) | all' true
lines "what the file holds" 'map(select(.test == "decode") | [.type, .pack]) | unique' '[["bf16","off"]]'
lines "the tokenizer's megabytes" 'last | (.megabytes_per_second | length == 2) and (.median_megabytes_per_second > 0) and .bytes >= 4194304' true

measure --test decode -n 2 -r 3 --cpu scalar -t 1
lines "one test alone" 'map([.test, .cpu, .threads, (.tokens_per_second | length)])' '[["decode","scalar",1,3]]'
lines "the median of three is the middle" '.[0] | (.tokens_per_second | sort | .[1]) - .median | fabs < 1' true
measure --test prefill -p 5 -r 1 --strict
lines "strict" 'map([.test, .tokens, .strict])' '[["prefill",5,true]]'
printf 'ROMEO:\nBut soft, what light through yonder window breaks?\n' > "$work/text"
measure --test tokenizer --text-file "$work/text" -r 1
lines "a text of one's own" 'map([.test, .bytes, .text])' "[[\"tokenizer\",58,\"$work/text\"]]"

"$HADAL" bench -m "$model" -p 5 -n 2 -r 1 > "$work/table" 2> "$work/errors"
columns=$(awk '/^(prefill|decode|tokenizer) / { print $1, $2, $3, $4 }' "$work/table" | head -2 | paste -sd ' ')
[ "$columns" = "prefill 5 0 1 decode 2 0 1" ] && grep -q '^test *tokens *depth *batch *tokens/s' "$work/table" &&
    grep -q 'tokenizer .*MB/s$' "$work/table" && pass "the table" || fail "the table" "$(cat "$work/table" "$work/errors")"
report_end
