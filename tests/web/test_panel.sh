#!/usr/bin/env bash
# test_panel.sh BUILD [NAME] - a browser over the console of an account and the operator's page. Screenshots are left in
# BUILD/tests/web/screenshots.
set -uo pipefail
. tools/report.sh
build=$1
. tests/web/setup.sh

if ! command -v python3 > /dev/null || ! command -v jq > /dev/null; then
    skip "pages of accounts need python3 and jq"
    report_end
    exit
fi
start
open=$url
start --accounts "$work/accounts.db" --prices deepseek-2025-02
ADMIN=$(grep -o 'sk-[0-9a-f]*' "$log")
account() { "$HADAL" account --accounts "$work/accounts.db" "$@"; }
for name in alice bob; do
    account add $name > /dev/null
    account topup $name 200 > /dev/null
done
account grant alice 5 > /dev/null
ALICE=$(account key add alice --name laptop --json | jq -r .key)
account key add alice --name "night shift" --cap 5 --cap-period day --models deepseek-chat --addresses 10.0.0.0/8 > /dev/null
BOB=$(account key add bob --name first --json | jq -r .key)
export ADMIN ALICE BOB PANEL=$url
past=$(python3 tests/web/ledger_past.py "$work/accounts.db" alice)
if account audit > "$work/audit"; then pass "$past charges of the past"; else fail "charges of the past" "$(cat "$work/audit")"; fi
drive panel.mjs "$open" "" "" "${@:2}"
if account audit > "$work/audit"; then pass "the ledger is clean afterwards"; else fail "the ledger is clean afterwards" "$(cat "$work/audit")"; fi
report_end
