#!/usr/bin/env bash
# test_render.sh - hadal render: exact bytes, where messages and tools come from, refusals.
set -uo pipefail
. tools/report.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# prints WHAT EXPECTED ARGUMENTS...: the output is exactly EXPECTED, no newline added; standard input is the messages.
prints() {
    local what=$1
    printf '%s' "$2" > "$work/expected"
    shift 2
    if "$HADAL" render "$@" < "$work/messages.json" > "$work/output" 2> "$work/errors" &&
        cmp -s "$work/output" "$work/expected"; then
        pass "$what"
    else
        fail "$what" "$(diff "$work/expected" "$work/output")$(cat "$work/errors")"
    fi
}

# refused STATUS MESSAGE ARGUMENTS...: nothing on standard output, MESSAGE in one line on standard error.
refused() {
    local status=$1 message=$2 found
    shift 2
    "$HADAL" render "$@" < "$work/messages.json" > "$work/output" 2> "$work/errors"
    found=$?
    if [ "$found" = "$status" ] && [ ! -s "$work/output" ] && [ "$(wc -l < "$work/errors")" = 1 ] &&
        grep -qF -- "$message" "$work/errors"; then
        pass "refused: $message"
    else
        fail "refused: $message" "status $found: $(cat "$work/errors")"
    fi
}

printf '%s' '[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "<think> 1+1?\n"}]' > "$work/messages.json"
printf '%s' '[{"type": "function", "function": {"name": "f"}}]' > "$work/tools.json"
start='<｜begin▁of▁sentence｜>Be brief.<｜User｜><think> 1+1?'$'\n'
prints "V3" "$start<｜Assistant｜>" --template deepseek-v3 "$work/messages.json"
prints "messages from standard input" "$start<｜Assistant｜>" --template deepseek-v3 -
prints "no generation prompt" "$start" --template deepseek-v3 --no-generation-prompt -
prints "R1 thinks" "$start<｜Assistant｜><think>"$'\n' --template deepseek-r1 -
prints "R1 does not think" "$start<｜Assistant｜><think>"$'\n\n</think>\n\n' --template deepseek-r1 --thinking off -
prints "V3.1 thinks on request" "$start<｜Assistant｜><think>" --template deepseek-v3.1 --thinking on -
prints "V2" '<｜begin▁of▁sentence｜>Be brief.'$'\n\nUser: <think> 1+1?\n\n\nAssistant:' --template deepseek-v2 -
prints "tools" '<|im_start|>system
Be brief.

# Tools

You may call one or more functions to assist with the user query.

You are provided with function signatures within <tools></tools> XML tags:
<tools>
{"type": "function", "function": {"name": "f"}}
</tools>

For each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:
<tool_call>
{"name": <function-name>, "arguments": <args-json-object>}
</tool_call><|im_end|>
<|im_start|>user
<think> 1+1?
<|im_end|>
' --template qwen2.5 --tools "$work/tools.json" --no-generation-prompt -

refused 2 "no model and no template given" -
refused 2 "give one file of messages" --template deepseek-v3
refused 1 "$work/none: No such file" --template deepseek-v3 "$work/none"
refused 1 "tools.json: messages[0].role" --template deepseek-v3 "$work/tools.json"
refused 1 "standard input: tools[0]: function must be" --template deepseek-v3 --tools - "$work/messages.json"

mkdir "$work/model"
printf '%s' '{"model_type": "deepseek_v3"}' > "$work/model/config.json"
prints "a model's family" "$start<｜Assistant｜>" -m "$work/model" -
printf '%s' '{"bos_token": "<s>", "chat_template": "{{'"'<｜User｜>' + content + '<｜Assistant｜>'"'}}"}' > "$work/model/tokenizer_config.json"
prints "a model's own template and bos" "<s>${start#*>}<｜Assistant｜>" -m "$work/model" -
prints "a template instead of the model's" "<s>${start#*>}<｜Assistant｜><think>"$'\n' -m "$work/model" --template deepseek-r1 -
printf '%s' '{"chat_template": "{{ messages }}"}' > "$work/model/tokenizer_config.json"
refused 1 "its chat template is none that hadal knows" -m "$work/model" -
report_end
