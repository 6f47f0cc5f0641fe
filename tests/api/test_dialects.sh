#!/usr/bin/env bash
# test_dialects.sh - where servers of the API differ, and what is the same in all: one server for each dialect, on an
# address that other machines can reach.
set -uo pipefail
. tools/report.sh
. tests/api/server.sh
model=../shared/models/tiny-v3
work=$(mktemp -d)
server=
trap 'kill $server 2> /dev/null; rm -rf "$work"' EXIT

if [ ! -d "$model" ] || ! command -v node > /dev/null; then
    skip "dialects need node and $model"
    report_end
    exit
fi
echo "sk-test-0123456789 tester" > "$work/keys"
for dialect in deepseek deepseek-v4 deepseek-v3.2 deepseek-r1 openai; do
    : > "$work/errors" # or the port of the server before is read
    "$HADAL" serve -m "$model" --template deepseek-v3.1 --dialect "$dialect" --host 0.0.0.0 --port 0 --api-keys "$work/keys" --no-log \
        --parallel 4 2> "$work/errors" &
    server=$!
    server_await "$work/errors"
    if output=$(timeout "${TEST_TIMEOUT:-280}" node tests/api/dialects.mjs "http://127.0.0.1:${url##*:}" "$dialect" 2>&1); then
        pass "$dialect ($(grep -c '^ok' <<< "$output") checks)"
    else
        fail "$dialect" "$(grep -v '^ok' <<< "$output")"
    fi
    server_end
done
report_end
