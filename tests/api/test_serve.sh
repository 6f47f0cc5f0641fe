#!/usr/bin/env bash
# test_serve.sh BUILD - how a server starts and ends: what it refuses, what it says, what it does with those who are too many,
# and what becomes of answers after one signal and after two.
set -uo pipefail
. tools/report.sh
. tests/api/server.sh
model=../shared/models/tiny-v3
work=$(mktemp -d)
server=
trap 'kill -9 $server 2> /dev/null; rm -rf "$work"' EXIT

if [ ! -d "$model" ] || ! command -v curl > /dev/null || ! command -v jq > /dev/null; then
    skip "serving needs curl, jq and $model"
    report_end
    exit
fi
serve=(-m "$model" --template deepseek-v3)

# refused STATUS TEXT ARGUMENTS...
refused() {
    local status=$1 text=$2
    shift 2
    timeout 120 "$HADAL" serve "${serve[@]}" --port 0 --no-log "$@" > "$work/output" 2>&1
    local got=$?
    if [ $got = "$status" ] && grep -q -- "$text" "$work/output"; then pass "refused: $*"; else fail "refused: $*" "status $got: $(cat "$work/output")"; fi
}
refused 1 'but .* available' --cache-tokens 1000000000000
refused 1 'but .* available' --cache-tokens 9000000000000000000
refused 1 'but .* available' --parallel 512 --cache-tokens 1000000000
refused 1 "beyond the model's 4096" --ctx 100000
refused 2 'is outside' --ctx 100000000
refused 1 'rows are too small' --parallel 1024
refused 2 'give a file of API keys' --host 0.0.0.0
refused 2 'needs both' --tls-cert x
refused 2 "give a file" --host example.invalid

# A long answer, and the status and Retry-After of another request.
long='{"model":"deepseek-chat","messages":[{"role":"user","content":"Tell me a story."}],"max_tokens":3500,"stream":true,"logit_bias":{"1":-100}}'
short='{"model":"deepseek-chat","messages":[{"role":"user","content":"hi"}],"max_tokens":4}'
stream() { exec curl -sN "$url/v1/chat/completions" "${key[@]}" -d "${2:-$long}" > "$work/stream$1" 2> /dev/null; } # in a shell of its own
ask() { curl -s -m 120 -o "$work/answer" -D "$work/head" -w '%{http_code}' "$url/v1/chat/completions" "${key[@]}" -d "$short"; }
told_to_retry() { [ "$1" = "$2" ] && grep -qi '^retry-after: [0-9]' "$work/head" && jq -e .error.message "$work/answer" > /dev/null; }
counts() { [ "$(metric "hadal_requests_$1")" = "$2" ]; }
leave() {
    kill "${streams[@]}" 2> /dev/null
    wait "${streams[@]}" 2> /dev/null
    await counts running 0
}
# beside RUNNING WAITING: asks while so many streams run and wait, and sets $code. Once more where one of them ended before.
beside() {
    local own=("${key[@]}")
    for ((try = 0; try < 5; try++)); do
        streams=() key=("${own[@]}")
        rm -f "$work"/stream?
        for ((n = 1; n <= $1 + $2; n++)); do
            stream $n &
            streams+=($!)
            if [ $n -le "$1" ]; then await counts running $n; else await counts waiting $((n - $1)); fi
        done
        [ -z "${asked_with:-}" ] || key=(-H "Authorization: Bearer $asked_with")
        code=$(ask)
        grep -qs 'data: \[DONE\]' "$work"/stream? || return
        leave
    done
}
key=()

server_start "${serve[@]}" --parallel 2 --max-queue 1 --host-name chat.example.com
named=$(for name in localhost:1 desk.local chat.example.com CHAT.EXAMPLE.COM:443 evil.example.com localhost.evil.com; do curl -s -o /dev/null -w '%{http_code} ' -H "Host: $name" "$url/v1/models"; done)
if [ "$named" = "200 200 200 200 403 403 " ]; then pass "pages of other names do not reach a server without keys"; else fail "pages of other names do not reach a server without keys" "$named"; fi
if grep -q 'context 4096 tokens, cache [0-9]* tokens, 2 answers at once' "$work/errors"; then pass "the start says what there is room for"; else fail "the start says what there is room for" "$(cat "$work/errors")"; fi
beside 2 1
if told_to_retry "$code" 503; then pass "one too many in the queue gets 503 and when to retry"; else fail "one too many in the queue" "$(cat "$work/head" "$work/answer")"; fi
leave
cancelled=$(curl -s "$url/metrics" | awk '/^hadal_answers_total.*"cancelled"/ { print $2 }')
if [ "$cancelled" -ge 3 ] && [ "$(ask)" = 200 ] && [ "$(metric hadal_cache_usage_ratio)" = 0 ]; then pass "clients that leave free their places and pages"; else fail "clients that leave free their places and pages" "$(cat "$work/answer")"; fi
server_end

echo 'sk-0123456789 me' > "$work/keys"
key=(-H 'Authorization: Bearer sk-0123456789')
server_start "${serve[@]}" --parallel 1 --account-requests 1 --api-keys "$work/keys"
beside 1 0
if told_to_retry "$code" 429; then pass "an account's second request gets 429 and when to retry"; else fail "an account's second request" "$(cat "$work/head" "$work/answer")"; fi
kill "${streams[@]}" 2> /dev/null
server_end
key=()

server_start "${serve[@]}" --parallel 1 --queue-time 0.2
beside 1 0
if told_to_retry "$code" 503; then pass "what has waited for too long gets 503"; else fail "what has waited for too long" "$(cat "$work/head" "$work/answer")"; fi
kill "${streams[@]}" 2> /dev/null
server_end

printf 'sk-0123456789 low -1\nsk-9876543210 high 5\n' > "$work/keys"
key=(-H 'Authorization: Bearer sk-0123456789')
server_start "${serve[@]}" --parallel 1 --api-keys "$work/keys"
asked_with=sk-9876543210
beside 1 0
key=() asked_with=
if [ "$code" = 200 ] && [ "$(metric hadal_preemptions_total)" -ge 1 ] && ! grep -q 'data: \[DONE\]' "$work/stream1"; then pass "a higher priority does not wait"; else fail "a higher priority does not wait" "$code, $(metric hadal_preemptions_total) preemptions"; fi
kill "${streams[@]}" 2> /dev/null
server_end

server_start "${serve[@]}" --request-time 1
(stream 1 "${long%\}},\"n\":8}")
if grep -q '"finish_reason":"insufficient_system_resource"' "$work/stream1" && tail -3 "$work/stream1" | grep -q 'data: \[DONE\]'; then pass "what takes too long ends as it is"; else fail "what takes too long ends as it is" "$(tail -3 "$work/stream1")"; fi
server_end

# One signal: the answer comes whole, nothing new begins, pages are kept. Two: the end.
server_start "${serve[@]}" --parallel 2 --drain-time 300 --kv-cache-dir "$work/kv"
stream 1 & streams=($!)
await counts running 1
kill -TERM $server
await grep -q 'stopping:' "$work/errors"
code=$(ask)
wait "${streams[@]}"
wait $server
status=$?
server=
if [ $status = 0 ] && tail -3 "$work/stream1" | grep -q 'data: \[DONE\]' && [ "$code" != 200 ]; then pass "after a signal answers come whole and none begin"; else fail "after a signal answers come whole and none begin" "status $status, $code: $(tail -3 "$work/stream1")"; fi
server_start "${serve[@]}" --kv-cache-dir "$work/kv"
jq -n --arg text "$(grep '^data: {' "$work/stream1" | sed 's/^data: //' | jq -rj '.choices[0].delta.content // ""')" \
    '{model: "deepseek-chat", messages: [{role: "user", content: "Tell me a story."}, {role: "assistant", content: $text}, {role: "user", content: "On."}], max_tokens: 4}' > "$work/next"
curl -s -m 60 "$url/v1/chat/completions" -d @"$work/next" > "$work/answer"
if [ "$(jq .usage.prompt_cache_hit_tokens "$work/answer")" -ge 3456 ]; then pass "the chat goes on where it was after a restart"; else fail "the chat goes on where it was after a restart" "$(cat "$work/answer")"; fi
stream 2 & streams=($!)
await counts running 1
kill -TERM $server
await grep -q 'stopping:' "$work/errors"
kill -TERM $server
wait $server
status=$?
server=
wait "${streams[@]}"
if [ $status = 0 ] && ! grep -q 'data: \[DONE\]' "$work/stream2"; then pass "after a second signal it ends at once"; else fail "after a second signal it ends at once" "status $status: $(tail -3 "$work/stream2")"; fi
report_end
