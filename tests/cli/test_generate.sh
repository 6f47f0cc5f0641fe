#!/usr/bin/env bash
# test_generate.sh - hadal generate: where prompts come from, what is printed, what ends it; on a model of random weights
# that synth writes, and on the trained one where it is there.
set -uo pipefail
. tools/report.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$HADAL" synth --config tests/cli/plain_v3.json --type f32 -o "$work/model" > "$work/log" 2>&1 ||
    fail "synth writes the model" "$(cat "$work/log")"

# generate STATUS ARGUMENTS...: runs hadal generate on the model, standard input is $work/input; keeps $output, $errors.
: > "$work/input"
generate() {
    local expected=$1 status
    shift
    "$HADAL" generate -m "$work/model" "$@" < "$work/input" > "$work/output" 2> "$work/errors"
    status=$?
    output=$(cat "$work/output") errors=$(cat "$work/errors")
    [ "$status" = "$expected" ] || {
        fail "generate $* ends with $expected" "status $status: $errors"
        return 1
    }
}

same() { # WHAT EXPECTED FOUND
    if [ "$2" = "$3" ]; then pass "$1"; else fail "$1" "expected: $2
found:    $3"; fi
}
differs() {
    if [ "$2" != "$3" ]; then pass "$1"; else fail "$1" "both: $2"; fi
}
# field NAME: the value of a field of the JSON object in $output; lists without spaces.
field() {
    printf '%s' "$output" | sed -n "s/.*\"$1\": \(\[[^]]*\]\|\"\([^\"\\\\]\|\\\\.\)*\"\|[^,}]*\).*/\1/p" | tr -d ' '
}
refused() { # STATUS MESSAGE ARGUMENTS...
    local status=$1 message=$2
    shift 2
    generate "$status" "$@" || return
    if [ -z "$output" ] && [ "$(wc -l < "$work/errors")" = 1 ] && [[ $errors == *"$message"* ]]; then
        pass "refused: $message"
    else
        fail "refused: $message" "$output$errors"
    fi
}

greedy=(--temperature 0 -n 12)

# text, and the same text as JSON
generate 0 -p hello "${greedy[@]}"
text=$output
same "nothing on standard error" "" "$errors"
generate 0 -p hello "${greedy[@]}" --json
same "one line of JSON" 1 "$(wc -l < "$work/output")"
same "twelve tokens end an answer" '"length"' "$(field finish_reason)"
same "twelve tokens" 12 "$(field ids | grep -o '[0-9]*' | wc -l)"
same "the timings count them" 12 "$(field generated_tokens)"
ids=$(field ids) prompt=$(field prompt_ids)
same "a model without a module drafts nothing" 0 "$(field drafted)"
generate 0 -p hello "${greedy[@]}" --json --speculate on
same "nor when told to" "0 $ids" "$(field drafted) $(field ids)"
same "and gains nothing" 0 "$(printf %.0f "$(field draft_gain)")"
tiny=../shared/models/tiny-v3
if [ -d "$tiny" ]; then
    drafts=$("$HADAL" generate -m "$tiny" --ids 5,6,7,8,9 --temperature 0 -n 200 --speculate on --stats 2>&1 > /dev/null)
    [[ $drafts =~ ([0-9]+)\ of\ ([0-9]+)\ drafts\ accepted\ \([0-9]+\ %\) ]] && pass "--stats tells of drafts" ||
        fail "--stats tells of drafts" "$drafts"
    drafts=$("$HADAL" generate -m "$tiny" --ids 5,6,7,8,9 --temperature 0 -n 200 --speculate auto --stats 2>&1 > /dev/null)
    [[ $drafts == *" times as fast with drafts"* ]] && pass "--stats tells what drafts gain" ||
        fail "--stats tells what drafts gain" "$drafts"
fi
if command -v python3 > /dev/null; then
    same "the text of both forms is the same" "$text" \
        "$(python3 -c 'import json, sys; print(json.load(sys.stdin)["text"])' < "$work/output")"
fi

# prompts
generate 0 --ids "$(tr -d '[]' <<< "$prompt")" "${greedy[@]}" --json
same "ids as a prompt give the same" "$ids" "$(field ids)"
printf hello > "$work/input"
generate 0 -p - "${greedy[@]}" --json
same "-p - reads standard input" "$prompt$ids" "$(field prompt_ids)$(field ids)"
generate 0 --prompt-file - "${greedy[@]}" --json
same "--prompt-file - too" "$prompt$ids" "$(field prompt_ids)$(field ids)"
generate 0 --prompt-file "$work/input" "${greedy[@]}" --json
same "a file" "$prompt$ids" "$(field prompt_ids)$(field ids)"
generate 0 -p '<｜User｜>' -n 0 --json
plain=$(field prompt_ids)
generate 0 -p '<｜User｜>' --chat -n 0 --json
differs "a control token in a message is only text" "$plain" "$(field prompt_ids)"
generate 0 -p x --chat -n 0 --json
one=$(field prompt_ids)
generate 0 -p x --chat --system y -n 0 --json
differs "--system adds a message" "$one" "$(field prompt_ids)"
generate 0 -p x --chat --template qwen2.5 -n 0 --json
differs "--template changes the prompt" "$one" "$(field prompt_ids)"

# choosing
generate 0 -p hello -n 12 --temperature 1 --seed 7
first=$output
generate 0 -p hello -n 12 --temperature 1 --seed 7 --threads 2
same "a seed decides the text, with any number of threads" "$first" "$output"
generate 0 -p hello -n 12 --temperature 1 --seed 8
differs "another seed, another text" "$first" "$output"
generate 0 -p hello -n 12 --temperature 1
first=$output
generate 0 -p hello -n 12 --temperature 1
differs "no seed, another text each time" "$first" "$output"
generate 0 -p hello -n 12 --temperature 1 --top-k 1 --json
same "--top-k 1 is greedy" "$ids" "$(field ids)"
generate 0 -p hello -n 3 --logit-bias 77=100 --logit-bias 3=-100 --json
same "--logit-bias" "[77,77,77]" "$(field ids)"
generate 0 -p hello -n 3 --temperature 0 --logit-bias 77=100 --presence-penalty 2 --frequency-penalty 2 \
    --repetition-penalty 100 --json
differs "penalties" "[77,77,77]" "$(field ids)"

# ends
generate 0 -p hello -n 12 --logit-bias 1=100 --json
same "the end token ends it" '"stop"[1]""' "$(field finish_reason)$(field ids)$(field text)"
generate 0 -p hello -n 12 --logit-bias 1=100 --show-special
[ -n "$output" ] && pass "--show-special prints it" || fail "--show-special prints it"
generate 0 -p hello -n 5000 --ctx 30 --temperature 0 --json
same "a full context ends it" '"length"' "$(field finish_reason)"
same "prompt and answer fill it" 30 $(($(field prompt_tokens) + $(field generated_tokens)))
[[ $errors == *"of 5000 tokens: the context of 30 is full"* ]] && pass "which is told" || fail "which is told" "$errors"
piece=${text:4:3}
generate 0 -p hello "${greedy[@]}" --stop "$piece"
same "a stop string ends it before it" "${text%%"$piece"*}" "$output"
generate 0 -p hello "${greedy[@]}" --stop "$piece" --json
same "which is a stop" '"stop"' "$(field finish_reason)"
generate 0 -p hello -n 2 --temperature 0 --logprobs 3 --json
same "--logprobs" 8 "$(grep -o '"logprob":' "$work/output" | wc -l)"
generate 0 -p hello -n 2 --stats
[[ $errors == *"answer 2 tokens"* ]] && pass "--stats" || fail "--stats" "$errors"

# refusals
refused 2 "no prompt: give one of"
refused 2 "more than one prompt" -p x --ids 1
refused 2 "--chat needs a text" --chat --ids 1
refused 2 "--system needs --chat" --system x -p y
refused 2 "--logit-bias 5: write ID=X" -p x --logit-bias 5
refused 2 "write ID=X" -p x --logit-bias 5=101
refused 2 "write ID=X" -p x --logit-bias 5=1x
refused 1 "token id 1024 is outside the vocabulary of 1024" -p x --logit-bias 1024=1
refused 1 "token id 4000 at place 1 is outside the vocabulary" --ids 1,4000
refused 1 "stop: an empty text" -p x --stop ''
refused 1 "more than the context of 3" -p 'one two three four five' --ctx 3
refused 1 "No such file" --prompt-file "$work/missing"

# a pipe among the files of a model is refused, not waited for
for file in tokenizer.json tokenizer_config.json chat_template.jinja generation_config.json; do
    rm -rf "$work/piped" && cp -r "$work/model" "$work/piped" && rm -f "$work/piped/$file" && mkfifo "$work/piped/$file"
    timeout 20 "$HADAL" generate -m "$work/piped" --chat -p x -n 1 > "$work/output" 2> "$work/errors"
    [ $? = 1 ] && grep -q "$file: not a regular file" "$work/errors" && pass "a pipe: $file" ||
        fail "a pipe: $file" "$(cat "$work/errors")"
done

# what the files of a model recommend is checked with their names
cp -r "$work/model" "$work/advised"
echo '{"do_sample": true, "temperature": -1}' > "$work/advised/generation_config.json"
"$HADAL" generate -m "$work/advised" -p x -n 1 > "$work/output" 2> "$work/errors"
[ $? = 1 ] && grep -q 'advised: generation_config.json: field "temperature" is -1' "$work/errors" &&
    pass "a bad recommendation" || fail "a bad recommendation" "$(cat "$work/errors")"

"$HADAL" generate -m "$work/model" -p x -n 4 > /dev/full 2> "$work/errors"
[ $? = 1 ] && grep -q 'standard output: No space left' "$work/errors" && pass "a full disk is a failure" ||
    fail "a full disk is a failure" "$(cat "$work/errors")"

trained=../shared/models/tiny-v3
if [ -d "$trained" ]; then
    "$HADAL" generate -m "$trained" -p ROMEO: -n 60 --temperature 0 --json > "$work/output"
    output=$(cat "$work/output")
    golden=$trained/golden/golden.json
    same "the trained model: the prompt's ids" "$(grep -o '"romeo_prompt_ids": \[[^]]*\]' "$golden" | tr -d ' ')" \
        "\"romeo_prompt_ids\":$(field prompt_ids)"
    same "the trained model: 60 greedy ids" "$(grep -o '"romeo_greedy_ids": \[[^]]*\]' "$golden" | tr -d ' ')" \
        "\"romeo_greedy_ids\":$(field ids)"
else
    skip "the trained model is not here"
fi
report_end
