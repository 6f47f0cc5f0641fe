#!/usr/bin/env bash
# test_clients.sh BUILD - a running server and the clients that people use, from npm at the versions of package.json.
set -uo pipefail
. tools/report.sh
. tests/api/server.sh
build=$1
model=../shared/models/tiny-v3
modules=$build/tests/api
work=$(mktemp -d)
server=
trap 'kill $server 2> /dev/null; rm -rf "$work"' EXIT

if [ ! -d "$model" ] || ! command -v node > /dev/null || ! command -v npm > /dev/null; then
    skip "clients need node, npm and $model"
    report_end
    exit
fi

. tests/support/npm.sh
if ! npm_install tests/api "$modules" "$work/npm"; then
    skip "clients cannot be installed: $(grep -m 1 'npm error' "$work/npm")"
    report_end
    exit
fi

echo "sk-test-0123456789 tester" > "$work/keys"
"$HADAL" serve -m "$model" --template deepseek-v3 --port 0 --api-keys "$work/keys" --no-log --parallel 4 2> "$work/errors" &
server=$!
server_await "$work/errors" && pass "the server says where it is"

for client in openai anthropic tools responses ai_sdk langchain; do
    if output=$(cd "$modules" && timeout "${TEST_TIMEOUT:-280}" node "client_$client.mjs" "$url" deepseek-chat 2>&1); then
        pass "$client ($(grep -c '^ok' <<< "$output") checks)"
    else
        fail "$client" "$(grep -v '^ok' <<< "$output")"
    fi
done

kill -TERM $server
if wait $server; then pass "the server ends by itself after SIGTERM"; else fail "the server ends by itself after SIGTERM" "$(cat "$work/errors")"; fi
server=
report_end
