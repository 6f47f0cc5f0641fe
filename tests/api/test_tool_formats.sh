#!/usr/bin/env bash
# test_tool_formats.sh BUILD - calls of tools in the form of each template, through the clients that test_clients.sh
# installs.
set -uo pipefail
. tools/report.sh
build=$1
model=../shared/models/tiny-v3
modules=$build/tests/api
work=$(mktemp -d)
server=
trap 'kill $server 2> /dev/null; rm -rf "$work"' EXIT

if [ ! -d "$model" ] || ! command -v node > /dev/null || ! cmp -s tests/api/package-lock.json "$modules/installed"; then
    skip "tools need node, its clients and $model"
    report_end
    exit
fi
cp tests/api/*.mjs "$modules"
echo "sk-test-0123456789 tester" > "$work/keys"

for template in deepseek-v3.1 deepseek-r1 qwen2.5 llama-3; do
    "$HADAL" serve -m "$model" --template "$template" --port 0 --api-keys "$work/keys" --no-log --parallel 4 2> "$work/errors" &
    server=$!
    for ((i = 0; i < 100; i++)); do
        url=$(sed -n 's/.*serving \(http:[^,]*\),.*/\1/p' "$work/errors")
        [ -n "$url" ] && break
        sleep 0.1
    done
    if output=$(cd "$modules" && timeout 120 node client_tools.mjs "$url" deepseek-chat 2>&1); then
        pass "$template ($(grep -c '^ok' <<< "$output") checks)"
    else
        fail "$template" "$(grep -v '^ok' <<< "$output")"
    fi
    kill -TERM $server
    wait $server
done
server=
report_end
