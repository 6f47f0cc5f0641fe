#!/usr/bin/env bash
# test_turns.sh BUILD - the second and third turns of conversations in each family's prompt: what was computed before is not
# computed again, with reasoning sent back or not.
set -uo pipefail
. tools/report.sh
. tests/api/server.sh
tiny=../shared/models/tiny-v3
work=$(mktemp -d)
server=
trap 'kill -9 $server 2> /dev/null; rm -rf "$work"' EXIT

if [ ! -d "$tiny" ] || ! command -v node > /dev/null || ! command -v jq > /dev/null; then
    skip "turns need node, jq and $tiny"
    report_end
    exit
fi

# small NAME CONFIG: random weights with the vocabulary of a distilled model
small() {
    jq '.hidden_size = 64 | .intermediate_size = 128 | .num_hidden_layers = 2 | .num_attention_heads = 4 | .num_key_value_heads = 2 |
        .max_position_embeddings = 4096 | del(.head_dim)' "tests/fuzz/corpus/config/$2" > "$work/$1.json"
    "$HADAL" synth --config "$work/$1.json" -o "$work/$1" > "$work/output" 2>&1 || fail "a small $1" "$(cat "$work/output")"
}
small qwen r1-distill-qwen-1.5b.json
small llama r1-distill-llama-8b.json

# like NAME FROM WORDS: the same with the control tokens of the model that it was distilled into
like() {
    cp -r "$work/$2" "$work/$1"
    sed -i "$3" "$work/$1/tokenizer.json" "$work/$1/tokenizer_config.json"
}
like qwen2.5 qwen 's/<｜User｜>/<|im_start|>/g; s/<｜Assistant｜>/<|im_end|>/g'
like llama3 llama 's/<｜User｜>/<|start_header_id|>/g; s/<｜Assistant｜>/<|end_header_id|>/g; s/<｜end▁of▁sentence｜>/<|eot_id|>/g; s/<｜begin▁of▁sentence｜>/<|begin_of_text|>/g'

# Without drafts: with them hits end where the module has come, which depends on how long steps took.
# turns MODEL TEMPLATE RULE...; $spaced
turns() {
    local model=$1 template=$2
    shift 2
    server_start -m "$model" --template "$template" --ctx 2048 --cache-tokens 8192 --speculate off || return
    if timeout "${TEST_TIMEOUT:-280}" node tests/api/turns.mjs "$url" "$(IFS=,; echo "$*")" "${spaced:-}" > "$work/output" 2>&1; then
        pass "$template, ${model##*/}: $(tr '\n' ';' < "$work/output")"
    else
        fail "$template, ${model##*/}" "$(cat "$work/output")"
    fi
    server_end
}
spaced=spaced turns "$tiny" deepseek-v2 off=keeps
turns "$tiny" deepseek-v3 off=keeps
turns "$tiny" deepseek-v3-0324 off=keeps
turns "$tiny" deepseek-r1 on=drops on+back=drops off=drops
turns "$tiny" deepseek-r1-0528 on=drops off=drops
turns "$tiny" deepseek-v3.1 off=keeps on=drops on+back=drops
turns "$work/qwen" deepseek-r1-distill on=drops on+back=drops
turns "$work/qwen2.5" qwen2.5 off=keeps
turns "$work/llama" deepseek-r1-distill on=drops
turns "$work/llama3" llama-3 off=keeps
report_end
