#!/usr/bin/env bash
# test_bench_load.sh - hadal bench load: against hadal serve, and against servers that answer badly. Never how fast.
set -uo pipefail
. tools/report.sh
work=$(mktemp -d)
server='' odd=''
trap 'kill $server $odd 2> /dev/null; rm -rf "$work"' EXIT
export XDG_CACHE_HOME=$work/cache
model=../shared/models/tiny-v3

# refused STATUS MESSAGE ARGUMENTS...
refused() {
    local expected=$1 message=$2 output
    shift 2
    output=$("$HADAL" bench load "$@" 2> "$work/errors" < /dev/null)
    if [ $? = "$expected" ] && [ -z "$output" ] && [ "$(wc -l < "$work/errors")" = 1 ] && grep -qF -- "$message" "$work/errors"; then
        pass "refused: $message"
    else
        fail "refused: $message" "$output$(cat "$work/errors")"
    fi
}
refused 2 "neither http:// nor https://" --url ftp://x
refused 2 "has a query" --url http://127.0.0.1/v1?a
refused 2 "a key goes with --api-key" --url http://key@127.0.0.1/
refused 2 "is no address" --url http://
refused 1 "connect" --url http://127.0.0.1:1/v1
refused 2 "--extra: must be an object" --extra 7
refused 2 "fewer than the 5 turns" --turns 5 --requests 4
refused 2 "at least one of each" -n 0

# lines NAME FILTER EXPECTED
lines() {
    local found
    found=$(jq -s -c "$2" "$work/lines" 2>&1)
    if [ "$found" = "$3" ]; then pass "$1"; else fail "$1" "$found, expected $3; $(cat "$work/errors" "$work/lines")"; fi
}
load() { "$HADAL" bench load --json "$@" > "$work/lines" 2> "$work/errors" < /dev/null; }

if ! command -v jq > /dev/null || ! command -v python3 > /dev/null; then
    skip "bench load needs jq and python3"
    report_end
    exit
fi

python3 tests/cli/odd_server.py > "$work/port" &
odd=$!
for ((i = 0; i < 600; i++)); do [ -s "$work/port" ] && break || sleep 0.1; done
bad=http://127.0.0.1:$(cat "$work/port")
for kind in malformed error unended cut nothttp busy; do
    load --url "$bad/$kind" --model-name m --users 2 --requests 4
    case $kind in nothttp) name=http ;; busy) name=status_503 ;; *) name=$kind ;; esac
    lines "counted by kind: $kind" '.[0] | [.requests, .completed, .errors]' "[4,0,{\"$name\":4}]"
done
load --url "$bad/slow" --model-name m --users 2 --requests 2 --timeout 0.4
lines "counted by kind: slow" '.[0].errors' '{"timeout":2}'
for kind in good crlf closes; do
    load --url "$bad/$kind" --model-name m --users 2 --requests 6 --turns 2
    lines "taken as an answer: $kind" '.[0] | [.completed, .errors, .prompt_tokens, .output_tokens, (has("cached_tokens"))]' '[6,{},42,6,false]'
done
kill $odd
odd=''

if [ ! -d "$model" ]; then
    skip "bench load against hadal serve needs $model"
    report_end
    exit
fi

# serve NAME OPTIONS...: starts the server, and waits for its address in $url
serve() {
    [ -z "$server" ] || { kill $server && wait $server; }
    : > "$work/server" # or the place of the server before is read
    "$HADAL" serve -m "$model" --template deepseek-v3 --port 0 --no-log "$@" 2>> "$work/server" &
    server=$!
    for ((i = 0; i < 600; i++)); do
        url=$(sed -n 's/.*serving \([^,]*\),.*/\1/p' "$work/server")
        [ -n "$url" ] && break
        sleep 0.1
    done
}
echo "sk-test-0123456789 tester" > "$work/keys"
serve --api-keys "$work/keys"
export HADAL_API_KEY=sk-test-0123456789
load --url "$url/v1" --users 1,3 --requests 12 -p 300 -n 6 --turns 2 --shared-share 0.5 --ttft-limit 100
lines "closed loop: a test for each number of users" 'map([.loop, .users, .requests, .completed, .errors, .model])' \
    '[["closed",1,12,12,{},"tiny-v3"],["closed",3,12,12,{},"tiny-v3"]]'
lines "tokens are those that were asked for" 'map((.prompt_tokens > 12 * 250) and (.prompt_tokens < 12 * 480) and .output_tokens > 12 and .output_tokens <= 72) | all' true
lines "first turns have about as many tokens as asked for" 'map(.turns[0].prompt_tokens / .turns[0].requests | . > 260 and . < 340) | all' true
lines "cached tokens: the shared part, and the turn before" '.[0] | [.cache_hit_rate > 0.2, .turns[1].cache_hit_rate > .turns[0].cache_hit_rate]' '[true,true]'
lines "durations" '.[0] | [.ttft, .tpot, .latency] | map(.samples > 0 and .p50 <= .p99 and .p99 <= .max and .p50 > 0) | all' true
lines "goodput" '.[0].goodput | [.requests, .share, .ttft_limit]' '[12,1,100]'
load --url "$url" --rate 50 --requests 10 -p 40 -n 4 --endpoint completions --ttft-limit 0.000001
lines "open loop" '.[0] | [.loop, .rate, .completed, .errors, .goodput.requests]' '["open",50,10,{},0]'
load --url "$url" --users 2 --duration 0.3 -p 20 -n 4
lines "as many as there is time for" '.[0] | .completed > 1 and .seconds < 60' true
load --url "$url" --users 2 --requests 2 -p 20 -n 4 --extra '{"temperature": 9}'
[ $? = 1 ] && grep -q "Invalid temperature" "$work/errors" && pass "fields of one's own" || fail "fields of one's own" "$(cat "$work/errors")"
HADAL_API_KEY=sk-wrong-9999 load --url "$url" --model-name tiny-v3
[ $? = 1 ] && grep -q 'status 401' "$work/errors" && pass "a wrong key" || fail "a wrong key" "$(cat "$work/errors")"
output=$("$HADAL" bench load --url "$url" --users 2 --requests 4 -p 20 -n 4 2>&1)
grep -q '^4 of 4 requests in' <<< "$output" && grep -q '^first token' <<< "$output" && pass "a table" || fail "a table" "$output"

if command -v openssl > /dev/null && openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/key.pem" -out "$work/cert.pem" -days 2 \
    -subj /CN=localhost -addext "subjectAltName=IP:127.0.0.1" 2> /dev/null; then
    serve --api-keys "$work/keys" --tls-cert "$work/cert.pem" --tls-key "$work/key.pem"
    load --url "$url/v1" --users 2 --requests 4 -p 20 -n 4 --tls-ca "$work/cert.pem"
    lines "TLS with a certificate that is trusted" '.[0] | [.completed, .errors]' '[4,{}]'
    load --url "$url/v1" --users 2 --requests 4 -p 20 -n 4 --insecure
    lines "TLS with any certificate" '.[0] | [.completed, .errors]' '[4,{}]'
    refused 1 "/v1/models: tls" --url "$url/v1" --json
else
    skip "TLS needs openssl"
fi
report_end
