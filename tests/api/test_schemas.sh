#!/usr/bin/env bash
# test_schemas.sh BUILD - answers that follow the schemas of public collections, checked by ajv: some of them, or all with
# SCHEMAS=all, which takes minutes and prints what was refused and why.
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

if [ ! -d "$model" ] || [ ! -d ../shared/schemas ] || ! command -v node > /dev/null || ! npm_install tests/api "$modules" "$work/npm"; then
    skip "schemas need node, packages of npm, $model and ../shared/schemas"
    report_end
    exit
fi
"$HADAL" serve -m "$model" --template deepseek-v3 --port 0 --no-log --parallel 8 2> "$work/errors" &
server=$!
server_await "$work/errors"
node "$modules/schemas.mjs" "$url" none ../shared/schemas "${SCHEMAS:-}" > "$work/output" 2>&1
status=$?
# all of it also when something is wrong, of which a failure shows the first lines
if [ $status != 0 ] || [ -n "${SCHEMAS:-}" ]; then cat "$work/output"; fi
if [ $status = 0 ]; then
    pass "answers follow their schemas: $(head -1 "$work/output")"
else
    fail "answers follow their schemas" "$(cat "$work/output")"
fi
server_end
report_end
