#!/usr/bin/env bash
# test_bench.sh - hadal bench: which tests it runs, the shape of its lines, and what it refuses. Never how fast.
set -uo pipefail
. tools/report.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
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

refused 2 "no model given"
refused 1 "/nonexistent" -m /nonexistent
refused 2 "nothing to measure: --test prefill with 0 tokens" -m "$model" --test prefill -p 0
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

# lines NAME FILTER EXPECTED: what jq makes of all lines
lines() {
    local found
    found=$(jq -s -c "$2" "$work/lines" 2>&1)
    if [ "$found" = "$3" ]; then pass "$1"; else fail "$1" "$found, expected $3"; fi
}

if ! command -v jq > /dev/null; then
    skip "the shape of the lines needs jq"
    report_end
    exit
fi
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
