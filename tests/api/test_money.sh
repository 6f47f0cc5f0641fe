#!/usr/bin/env bash
# test_money.sh BUILD - many clients that come and leave while the server is killed at random moments: the ledger is clean, and
# every balance is what the access log says. CLIENTS=200 ROUNDS=100 for the whole acceptance.
set -uo pipefail
. tools/report.sh
. tests/api/server.sh
. tests/support/postgres.sh
model=../shared/models/tiny-v3
clients=${CLIENTS:-12} rounds=${ROUNDS:-5}
work=$(mktemp -d)
server=
trap 'kill -9 $server $driver 2> /dev/null; postgres_stop "$work/postgres"; rm -rf "$work"' EXIT

if [ ! -d "$model" ] || ! command -v node > /dev/null || ! command -v jq > /dev/null || ! command -v python3 > /dev/null; then
    skip "money needs node, jq, python3 and $model"
    report_end
    exit
fi
echo '{"name":"flat","rows":[{"models":["deepseek-chat"],"USD":{"hit":"0.07","miss":"0.271","output":"1.103"}}]}' > "$work/prices.json"
paid='{"rich":"50","poor":"0.0002","granted":"3.5","busy":"20"}'

# start PORT: sets $server and $url
start() {
    : > "$work/start"
    "$HADAL" serve -m "$model" --template deepseek-v3 --port "$1" --parallel 16 --cache-tokens 32768 --ctx 1024 --accounts "$accounts" \
        --accounts-journal "$work/running" --prices "$work/prices.json" 2> >(tee -a "$log" > "$work/start") &
    server=$!
    server_await "$work/start"
}

# money WHERE: the whole story over one database
money() {
    local name=$1 key=() port
    accounts=$2 log=$work/log.$name
    account() { "$HADAL" account --accounts "$accounts" "$@"; }
    rm -f "$work/running"
    account prices set "$work/prices.json" > /dev/null 2>&1
    for who in rich poor granted busy; do
        account add $who --currency USD > /dev/null
        key+=("$(account key add $who --json | jq -r .key)")
    done
    account set busy --concurrency 1 > /dev/null
    account topup rich 50 > /dev/null
    account topup poor 0.0002 > /dev/null
    account topup busy 20 > /dev/null
    account grant granted 2 --expires 2099-01-01 > /dev/null
    account topup granted 1 > /dev/null
    account grant granted 0.5 > /dev/null

    start 0 || return
    port=${url##*:}
    node tests/api/money_clients.mjs "$url" "$(IFS=,; echo "${key[*]}")" "$clients" "$work/answers.$name" > "$work/seen.$name" &
    driver=$!
    for ((round = 0; round < rounds; round++)); do
        sleep "$((RANDOM % 2)).$((5 + RANDOM % 5))$((RANDOM % 10))"
        kill -9 $server
        wait $server 2> /dev/null
        start "$port" || return
    done
    sleep 1
    kill -TERM $driver
    wait $driver
    kill -TERM $server
    wait $server || fail "$name: the server ends" "$(tail -3 "$log")"
    # what the last kill has left is said by the next start
    start "$port" && kill -TERM $server && wait $server
    server=

    if account audit > "$work/audit" && grep -q '^open_reservations *0$' "$work/audit"; then
        pass "$name: the audit is clean ($(awk '/^transfers/ { print $2 }' "$work/audit") transfers, $rounds kills, $clients clients)"
    else
        fail "$name: the audit is clean" "$(cat "$work/audit")"
    fi
    account list --json > "$work/accounts"
    account charges --limit 1000000 --json > "$work/charges"
    if python3 tests/api/money_check.py "$log" "$work/answers.$name" "$work/accounts" "$work/charges" "$paid" > "$work/checked"; then
        pass "$name: balances are what the log says: $(tail -1 "$work/checked")"
    else
        fail "$name: balances are what the log says" "$(cat "$work/checked")"
    fi
    if jq -e '."402" > 0 and ."429" > 0 and .left > 0 and .cut > 0' "$work/seen.$name" > /dev/null; then
        pass "$name: some could not pay, some were too many, some left, some were cut: $(cat "$work/seen.$name")"
    else
        fail "$name: some could not pay, some were too many, some left, some were cut" "$(cat "$work/seen.$name")"
    fi
}

driver=
money SQLite "$work/accounts.db"
if postgres=$(postgres_start "$work/postgres"); then
    rounds=${ROUNDS:-2}
    money PostgreSQL "$postgres"
else
    skip "PostgreSQL does not start here"
fi
report_end
