#!/usr/bin/env bash
# test_crash.sh BUILD - a server that is killed under load: it starts again at once, finds what it kept of earlier prompts,
# and answers as one that never ran before. ROUNDS=50 for a long run.
set -uo pipefail
. tools/report.sh
. tests/api/server.sh
model=../shared/models/tiny-v3
text=../shared/text/shakespeare-val.txt
work=$(mktemp -d)
server=
trap 'kill -9 $server 2> /dev/null; rm -rf "$work"' EXIT

if [ ! -d "$model" ] || [ ! -f "$text" ] || ! command -v jq > /dev/null || ! command -v curl > /dev/null; then
    skip "killing a server needs curl, jq, $model and $text"
    report_end
    exit
fi

# start ARGUMENTS...: sets $server and $url
start() {
    : > "$work/errors"
    "$HADAL" serve -m "$model" --port 0 --template deepseek-v3 --parallel 4 --no-log "$@" 2> "$work/errors" &
    server=$!
    server_await "$work/errors"
}

# body N: a request with a long beginning that all share and an end of its own
body() {
    jq -Rn --arg begin "$(head -c 1500 "$text")" --arg tail "$1" \
        '{model: "deepseek-chat", temperature: 0, max_tokens: 12, messages: [{role: "user", content: ($begin + $tail)}]}'
}
ask() { curl -s -m 300 "$url/v1/chat/completions" -d @"$1"; }

for n in 1 2 3; do body "question $n" > "$work/body$n"; done
start
for n in 1 2 3; do ask "$work/body$n" | jq -r '.choices[0].message.content' > "$work/cold$n"; done
server_end
if [ "$(cat "$work"/cold? | wc -c)" -gt 10 ] && ! grep -qx null "$work"/cold?; then pass "a cold server answers"; else fail "a cold server answers" "$(cat "$work"/cold?)"; fi

hits=0 wrong=
kept() { [ -n "$(find "$work/kv" -type f -size +4k -print -quit)" ]; } # a page
for ((round = 0; round < ${ROUNDS:-6}; round++)); do
    start --kv-cache-dir "$work/kv" --kv-cache-size 64M
    for n in 1 2 3; do
        ask "$work/body$n" > "$work/answer"
        jq -r '.choices[0].message.content' "$work/answer" | cmp -s - "$work/cold$n" || wrong+="round $round, question $n: $(cat "$work/answer")"$'\n'
        if [ $n = 1 ] && [ "$(jq '.usage.prompt_cache_hit_tokens' "$work/answer")" -gt 0 ]; then hits=$((hits + 1)); fi
    done
    [ $round -gt 0 ] || await kept
    for n in 4 5 6 7; do body "more $round $n" > "$work/load$n"; ask "$work/load$n" > /dev/null & done
    sleep "0.$((RANDOM % 6))$((RANDOM % 10))"
    kill -9 $server
    wait $server 2> /dev/null
done
wait
if [ -z "$wrong" ]; then pass "answers behind kept pages are those of a cold server"; else fail "answers behind kept pages are those of a cold server" "$wrong"; fi
if [ $hits -ge $((${ROUNDS:-6} / 2)) ]; then pass "kept pages are found after a kill"; else fail "kept pages are found after a kill" "$hits of ${ROUNDS:-6}"; fi

# What is damaged is a miss.
for file in "$work"/kv/*; do [ -f "$file" ] && printf 'garbage' | dd of="$file" bs=1 seek=100 conv=notrunc 2> /dev/null; done
find "$work/kv" -type f | head -200 | while read -r file; do printf 'x' | dd of="$file" bs=1 seek=$((RANDOM % 2000)) conv=notrunc 2> /dev/null; done
start --kv-cache-dir "$work/kv"
ask "$work/body1" | jq -r '.choices[0].message.content' > "$work/answer"
if cmp -s "$work/answer" "$work/cold1"; then pass "damaged files change no answer"; else fail "damaged files change no answer" "$(cat "$work/answer")"; fi
server_end
report_end
