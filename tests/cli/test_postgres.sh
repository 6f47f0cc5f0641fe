#!/usr/bin/env bash
# test_postgres.sh BUILD - the ledger's tests over PostgreSQL.
set -uo pipefail
. tools/report.sh
. tests/support/postgres.sh
build=$1
work=$(mktemp -d)
trap 'postgres_stop "$work/postgres"; rm -rf "$work"' EXIT

if ! url=$(postgres_start "$work/postgres"); then
    skip "PostgreSQL does not start here: $(tail -1 "$work/postgres/log" 2> /dev/null)"
    report_end
    exit
fi
for part in ledger reports teller; do
    if HADAL_TEST_POSTGRES=$url "$build/tests/unit/server/account/test_$part" > "$work/output" 2>&1; then
        pass "the $part over PostgreSQL ($(grep -c '  OK ' "$work/output") tests)"
    else
        fail "the $part over PostgreSQL" "$(grep -v '  OK \| RUN ' "$work/output")"
    fi
done
report_end
