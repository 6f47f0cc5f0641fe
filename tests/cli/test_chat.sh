#!/usr/bin/env bash
# test_chat.sh - hadal chat in a pipe, and on a terminal of its own where Python can make one; on a model of random
# weights that synth writes.
set -uo pipefail
. tools/report.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$HADAL" synth --config tests/cli/plain_v3.json --type f32 -o "$work/model" > "$work/log" 2>&1 ||
    fail "synth writes the model" "$(cat "$work/log")"

# chat STATUS INPUT ARGUMENTS...: runs hadal chat; keeps $output and $errors.
chat() {
    local expected=$1 status
    printf '%b' "$2" > "$work/input"
    shift 2
    "$HADAL" chat -m "$work/model" --temperature 0 -n 6 "$@" < "$work/input" > "$work/output" 2> "$work/errors"
    status=$?
    output=$(cat "$work/output") errors=$(cat "$work/errors")
    [ "$status" = "$expected" ] && return
    fail "chat $* ends with $expected" "status $status: $errors"
}
same() { # WHAT EXPECTED FOUND
    if [ "$2" = "$3" ]; then pass "$1"; else fail "$1" "expected: $2
found:    $3"; fi
}
holds() { # WHAT TEXT FOUND
    if [[ $3 == *"$2"* ]]; then pass "$1"; else fail "$1" "no '$2' in: $3"; fi
}

one=$("$HADAL" generate -m "$work/model" --temperature 0 -n 6 --chat -p hello)
chat 0 'hello\n' && same "the answer to a line, and nothing else" "$one" "$output"
same "on standard error only that the template is a guess" \
    "hadal chat: the checkpoint has no chat template; using deepseek-v3, --template chooses another" "$errors"
chat 0 'hello' && same "a line without a newline" "$one" "$output"
chat 0 '\n  \nhello\r\n\n' && same "empty lines are no messages" "$one" "$output"
chat 0 '' && same "no input, no output" "" "$output"
chat 0 '' -p hello && same "-p is a message" "$one" "$output"
chat 0 'hello\n' --stats && holds "--stats" "answer 6 tokens" "$errors"

chat 0 'hello\nhello\n/stats\n/save '"$work"'/saved.json\n' &&
    holds "every line is answered" '{"role": "assistant"' "$(tail -n 2 "$work/saved.json")"
same "four messages" 4 "$(grep -c '"role"' "$work/saved.json")"
holds "/stats counts answers" "so far    2 answers, 12 tokens generated" "$output"
cached=$(sed -n 's/^prompt .* tokens, \([0-9]*\) from the cache.*/\1/p' "$work/output")
[ "${cached:-0}" -ge 6 ] && pass "history is not computed again" || fail "history is not computed again" "$output"

chat 0 'hello\n/retry\n/save '"$work"'/saved.json\n' --temperature 1 --seed 3
same "/retry replaces the answer" 2 "$(grep -c '"role"' "$work/saved.json")"
chat 0 'one \\\ntwo\n"""\nthree\nfour\n"""\n//five\n/save '"$work"'/saved.json\n'
for text in 'one \ntwo' 'three\nfour' '/five'; do
    holds "a message: $text" "\"content\": \"$text\"" "$(cat "$work/saved.json")"
done
chat 0 '/system be brief\nhello\n/system\n/save '"$work"'/saved.json\n/clear\n/save '"$work"'/cleared.json\n'
holds "/system shows the message" "be brief" "$output"
holds "and puts it first" '{"role": "system", "content": "be brief"}' "$(sed -n 2p "$work/saved.json")"
same "/clear keeps it alone" 1 "$(grep -c '"role"' "$work/cleared.json")"
chat 0 '/load '"$work"'/saved.json\n/system\n' && holds "/load" "be brief" "$output"
chat 0 '/save '"$work"'/saved.json\n' --system 'first' && holds "--system" '"first"' "$(cat "$work/saved.json")"
chat 0 '/help\n' && holds "/help" "/think on|off" "$output"
chat 0 'hello\n' --template deepseek-r1 && same "reasoning is not printed in a pipe" "" "$output"
head -c 20000000 /dev/zero | tr '\0' x | "$HADAL" chat -m "$work/model" > "$work/output" 2> "$work/errors"
same "a line without end ends a pipe" 1 $?
holds "naming the limit" "longer than 16777216 bytes" "$(cat "$work/errors")"
chat 0 'hello\n' --history "$work/history" && [ ! -e "$work/history" ] && pass "a pipe has no history" ||
    fail "a pipe has no history"

chat 2 '/hello\n' && holds "a wrong command ends a pipe" "unknown command /hello; did you mean /help?" "$errors"
chat 1 "$(printf 'word %.0s' {1..200})"'\n' --ctx 64 &&
    holds "a message that does not fit" "more than the context of 64" "$errors"
chat 1 'hello\nhello\n' -n 500 --ctx 64 --logit-bias 1=-100
holds "a full context is told" "the context of 64 tokens is full" "$errors"
chat 1 '/load '"$work"'/missing.json\n' && holds "a file that is not there" "No such file" "$errors"
chat 0 '' --template deepseek-v2 && same "a template of one's choice" "" "$errors"

# a template that is none of ours
cp -r "$work/model" "$work/strange"
sed -i '1s/{/{"chat_template": "{% for m in messages %}?{{ m }}{% endfor %}",/' "$work/strange/tokenizer_config.json"
"$HADAL" chat -m "$work/strange" < /dev/null > "$work/output" 2> "$work/errors"
same "an unknown template is refused" 1 $?
holds "with the way out" "choose one with --template" "$(cat "$work/errors")"
"$HADAL" chat -m "$work/strange" --template qwen2.5 < /dev/null > "$work/output" 2> "$work/errors"
same "which works" 0 $?

if command -v python3 > /dev/null; then
    escape=$("$HADAL" generate -m "$work/model" -p "$(printf '\033')" -n 0 --json |
        sed -n 's/.*"prompt_ids": \[\([0-9]*, \)*\([0-9]*\)\].*/\2/p')
    python3 tests/cli/chat_terminal.py "$HADAL" "$work/model" "$work" "$escape" > "$work/results" 2> "$work/errors" ||
        echo "not ok - the terminal's script ends well: $(cat "$work/errors")" >> "$work/results"
    cat "$work/results"
    report_passed=$((report_passed + $(grep -c '^ok - ' "$work/results")))
    report_failed=$((report_failed + $(grep -c '^not ok - ' "$work/results")))
else
    skip "a terminal needs python3"
fi
report_end
