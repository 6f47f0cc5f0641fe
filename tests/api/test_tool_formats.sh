#!/usr/bin/env bash
# test_tool_formats.sh BUILD - calls of tools in the form of each template, through real clients.
set -uo pipefail
. tools/report.sh
. tests/api/server.sh
. tests/support/npm.sh
build=$1
model=../shared/models/tiny-v3
modules=$build/tests/api
work=$(mktemp -d)
server=
trap 'kill $server 2> /dev/null; rm -rf "$work"' EXIT

if [ ! -d "$model" ] || ! command -v node > /dev/null || ! npm_install tests/api "$modules" "$work/npm"; then
    skip "tools need node, packages of npm and $model"
    report_end
    exit
fi
echo "sk-test-0123456789 tester" > "$work/keys"

for template in deepseek-v3.1 deepseek-r1 qwen2.5 llama-3; do
    : > "$work/errors" # or the place of the server before is read
    "$HADAL" serve -m "$model" --template "$template" --port 0 --api-keys "$work/keys" --no-log --parallel 4 2> "$work/errors" &
    server=$!
    server_await "$work/errors"
    if output=$(cd "$modules" && timeout "${TEST_TIMEOUT:-280}" node client_tools.mjs "$url" deepseek-chat 2>&1); then
        pass "$template ($(grep -c '^ok' <<< "$output") checks)"
    else
        fail "$template" "$(grep -v '^ok' <<< "$output")"
    fi
    server_end
done
report_end
