#!/usr/bin/env bash
# test_search.sh BUILD - search and pages of the web against an engine and a site of our own; hostile addresses.
set -uo pipefail
. tools/report.sh
model=../shared/models/tiny-v3

if [ ! -d "$model" ] || ! command -v node > /dev/null; then
    skip "search needs node and $model"
    report_end
    exit
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo '{"name":"calls","fallback_model":"deepseek-chat","rows":[{"models":["deepseek-chat"],"USD":{"hit":"1","miss":"10","output":"100"}},{"models":["*"],"per":1000,"USD":{"search":"0.75","fetch":"1.5"}}]}' > "$work/prices.json"
for part in search search_money search_served search_engines; do
    output=$(timeout "${TEST_TIMEOUT:-280}" node tests/api/$part.mjs "$HADAL" "$model" "$work" 2>&1)
    status=$?
    while IFS= read -r line; do
        case $line in
        "ok - "*) pass "${line#ok - }" ;;
        "not ok - "*) fail "${line#not ok - }" ;;
        *) echo "$line" ;;
        esac
    done <<< "$output"
    [ $status = 0 ] || [ $status = 1 ] || fail "the tests of $part end" "status $status"
done
report_end
