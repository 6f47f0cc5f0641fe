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
output=$(timeout 120 node tests/api/search.mjs "$HADAL" "$model" 2>&1)
status=$?
while IFS= read -r line; do
    case $line in
    "ok - "*) pass "${line#ok - }" ;;
    "not ok - "*) fail "${line#not ok - }" ;;
    *) echo "$line" ;;
    esac
done <<< "$output"
[ $status = 0 ] || [ $status = 1 ] || fail "the tests of search end" "status $status"
report_end
