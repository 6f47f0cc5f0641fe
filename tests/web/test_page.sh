#!/usr/bin/env bash
# test_page.sh BUILD [NAME] - a browser over the chat page of running servers. Screenshots for a person to look at are left in
# BUILD/tests/web/screenshots.
set -uo pipefail
. tools/report.sh
build=$1
. tests/web/setup.sh

echo "sk-page-0123456789 tester" > "$work/keys"
start
open=$url
start --api-keys "$work/keys"
locked=$url
drive run.mjs "$open" "$locked" sk-page-0123456789 "${@:2}"
report_end
