#!/usr/bin/env bash
# test_load.sh BUILD - many users at once: answers do not depend on neighbours, large bodies stall nobody, requests that
# wait are small, a chat's next turn computes what is new, and nothing is left behind by cancelled, cut and malformed ones.
# STORM=1000 IDLE=2000 ROUNDS=20 for a long run.
set -uo pipefail
. tools/report.sh
. tests/api/server.sh
model=../shared/models/tiny-v3
work=$(mktemp -d)
server=
trap 'kill $server 2> /dev/null; rm -rf "$work"' EXIT

if [ ! -d "$model" ] || ! command -v node > /dev/null || ! command -v curl > /dev/null; then
    skip "load needs node, curl and $model"
    report_end
    exit
fi

run() { # NAME TEST ARGUMENTS...
    local name=$1 test=$2
    shift 2
    if timeout "${TEST_TIMEOUT:-300}" node tests/api/service.mjs "$test" "$url" "$@" > "$work/output" 2>&1; then
        pass "$name: $(tail -1 "$work/output")"
    else
        fail "$name" "$(cat "$work/output")"
    fi
}
idle() { [ "$(metric hadal_requests_running)" = 0 ] && [ "$(metric hadal_requests_waiting)" = 0 ]; }
no_pages() { [ "$(metric hadal_cache_usage_ratio)" = 0 ]; }
few_descriptors() { [ "$(descriptors)" -le "$1" ]; }

server_start -m "$model" --template deepseek-v3 --parallel 6
run "neighbours change nothing" neighbours "${ROUNDS:-2}"
run "a large body stalls nobody" stall
run "the next turn of a chat computes what is new" turns 3900
if await idle && await no_pages; then pass "all pages are free again"; else fail "all pages are free again" "$(metric hadal_cache_usage_ratio)"; fi

# Cancelled, cut, malformed and slow requests: no wrong answer, and nothing is left behind.
descriptors() { find "/proc/$server/fd" | wc -l; }
memory() { awk '/^RssAnon/ { print $2 }' "/proc/$server/status"; }
storm() { timeout "${TEST_TIMEOUT:-300}" node tests/api/storm.mjs "$url" none "$1" > "$work/output" 2>&1; }
storm 64
before=$(descriptors)
if storm "${STORM:-400}"; then pass "a storm of requests: $(tail -1 "$work/output")"; else fail "a storm of requests" "$(cat "$work/output")"; fi
if await few_descriptors $((before + 2)); then pass "no descriptor is left behind"; else fail "no descriptor is left behind" "$before before, $(descriptors) after"; fi
# How much the threads' allocators keep depends on who ran beside whom: what leaks grows with every storm.
for ((i = 0; i < 4; i++)); do
    resident=$(memory)
    storm 64
    [ "$(memory)" -gt $((resident + 1024)) ] || break
done
if [ $i -lt 4 ]; then pass "memory does not grow"; else fail "memory does not grow" "$resident KiB before the last 64 requests, $(memory) after"; fi
if await no_pages; then pass "no page is left behind"; else fail "no page is left behind"; fi
nothing_unsent() { [ "$(metric hadal_unsent_bytes)" = 0 ]; }
if await nothing_unsent && [ "$(metric hadal_slow_readers_total)" -ge 0 ]; then pass "nothing waits to be sent"; else fail "nothing waits to be sent" "$(metric hadal_unsent_bytes) bytes"; fi
server_end

# Streams that wait: what one more of them costs the server, its request included. The first hundred are not counted: with
# them come pages of the cache, buffers of the threads and arenas of the allocator that all share.
count=${IDLE:-400}
# Its own memory: what maps files is shared, and its share grows when another program ends.
held() { awk '/^Anonymous:/ { print $2 }' "/proc/$server/smaps_rollup"; }
more() { # COUNT TOTAL: opens COUNT more and waits until the server knows TOTAL
    echo "$1" >&9
    until grep -q -e wrong -e "open $2" "$work/output"; do sleep 0.1; done
}
server_start -m "$model" --template deepseek-v3 --parallel 1 --max-queue 5000 --ctx 4096 --cache-tokens 4096
files=$(descriptors)
mkfifo "$work/input"
node tests/api/idle.mjs "$url" < "$work/input" > "$work/output" 2>&1 &
client=$!
exec 9> "$work/input"
more 100 100
before=$(held)
more "$count" $((100 + count))
left=$((count - $(sed -n "s/^open $((100 + count)) without //p" "$work/output")))
each=$((($(held) - before) * 1024 / left))
# What sanitizers keep beside each piece of memory is none of the server's.
if [[ $HADAL =~ /build-[^/]*(address|thread) ]]; then
    skip "memory of streams that wait, beside a sanitizer's: $each bytes each"
elif [ $left -gt $((count / 2)) ] && [ $each -le 32768 ]; then pass "$count streams that wait take $each bytes each"; else fail "streams that wait are small" "$each bytes each: $(cat "$work/output")"; fi
exec 9>&-
wait $client
await idle
if await few_descriptors $((files + 1)); then pass "they leave no descriptor behind"; else fail "they leave no descriptor behind"; fi
server_end

# Fewer descriptors than connections: it says so and serves.
(ulimit -n 300; exec bash -c '. tools/report.sh; . tests/api/server.sh; work='"$work"'; server_start -m '"$model"' --template deepseek-v3; curl -s "$url/health"; server_end') > "$work/output" 2>&1
if grep -q '"status":"ok"' "$work/output" && grep -q 'open files' "$work/errors"; then pass "few descriptors are told"; else fail "few descriptors are told" "$(cat "$work/output" "$work/errors")"; fi
report_end
