#!/usr/bin/env bash
# test_run.sh BUILD - what make run starts: a chat in the terminal, and a page that ends with it.
set -uo pipefail
. tools/report.sh
build=$1
work=$(mktemp -d)
run=''
trap '[ -z "$run" ] || kill $run 2> /dev/null; rm -rf "$work"' EXIT
export XDG_CONFIG_HOME=$work PORT=0
unset HADAL_MODEL

if ! command -v curl > /dev/null || ! command -v jq > /dev/null; then
    skip "make run needs curl and jq"
    report_end
    exit
fi
# address: of the page, once it is said
address() {
    for ((i = 0; i < 600; i++)); do
        url=$(sed -n 's/^A page to chat: //p' "$work/said")
        [ -n "$url" ] && return
        sleep 0.1
    done
    fail "an address is printed" "$(cat "$work/said")"
}
tools/run.sh "$build" < /dev/null > "$work/said" 2>&1 &
run=$!
address
if curl -sf "$url/" | grep -q 'hadal'; then pass "the address is a page"; else fail "the address is a page"; fi
found=$(curl -sf "$url/capabilities" | jq -c '[.chat, .thinking, .accounts, (.prices.models["deepseek-chat"].output | tonumber) > 0]')
if [ "$found" = '[true,true,false,true]' ]; then pass "it thinks, and says what it would cost"; else fail "it thinks, and says what it would cost" "$found"; fi
found=$(curl -s -m 100 "$url/v1/chat/completions" -d '{"model":"deepseek-reasoner","messages":[{"role":"user","content":"What is 3+4?"}]}' |
    jq -c '[(.choices[0].message.reasoning_content | length) > 0, .usage.completion_tokens <= 300]')
if [ "$found" = '[true,true]' ]; then pass "an answer has reasoning, and an end"; else fail "an answer has reasoning, and an end" "$found"; fi
kill -TERM $run
wait $run 2> /dev/null
for ((i = 0; i < 600; i++)); do curl -s -m 5 -o /dev/null "$url/health" || break; sleep 0.1; done
if ! curl -s -m 5 -o /dev/null "$url/health"; then pass "the page ends with it"; else fail "the page ends with it"; fi
run=''

echo "What is 3+4?" | timeout 100 tools/run.sh "$build" > "$work/answer" 2> "$work/said"
if [ -s "$work/answer" ] && grep -q '^A page to chat: http' "$work/said"; then pass "a chat in the terminal, beside the page"; else fail "a chat in the terminal, beside the page" "$(cat "$work/said")"; fi
report_end
