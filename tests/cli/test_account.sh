#!/usr/bin/env bash
# test_account.sh BUILD - hadal account: what it refuses, the way of an operator, and 1,000 bills around edges against
# another calculator.
set -uo pipefail
. tools/report.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export XDG_STATE_HOME=$work/state

account() { "$HADAL" account "$@"; }
# refused STATUS MESSAGE ARGUMENTS...
refused() {
    local expected=$1 message=$2 output
    shift 2
    output=$(account "$@" 2> "$work/errors" < /dev/null)
    if [ $? = "$expected" ] && [ -z "$output" ] && grep -qF -- "$message" "$work/errors"; then
        pass "refused: $message"
    else
        fail "refused: $message" "$output$(cat "$work/errors")"
    fi
}
# says MESSAGE ARGUMENTS...
says() {
    local message=$1 output
    shift
    output=$(account "$@" 2>&1 < /dev/null)
    if [ $? = 0 ] && grep -qF -- "$message" <<< "$output"; then pass "account $*: $message"; else fail "account $*: $message" "$output"; fi
}

account list > "$work/first" 2> "$work/errors"
key=$(grep -o 'sk-[0-9a-f]*' "$work/errors")
if [ ${#key} = 51 ] && ! account list 2>&1 | grep -q sk-; then pass "the first start makes an admin's key and shows it once"; else fail "the first start makes an admin's key and shows it once" "$(cat "$work/errors")"; fi
if [ "$(stat -c %a "$work/state/hadal/accounts.db")" = 600 ] && ! grep -qF "$key" "$work"/state/hadal/*; then pass "the database is private and holds no key"; else fail "the database is private and holds no key"; fi

refused 2 "name an action"
refused 2 "did you mean topup?" topop alice 5
refused 2 "topup needs account" topup
refused 2 "topup needs amount" topup alice
refused 2 "unexpected argument '6'" topup alice 5 note 6
refused 1 "no account 'alice'" topup alice 5
refused 2 "takes no --cap" topup admin 5 --cap 4
refused 1 "no amount such as" topup admin five
refused 1 "at most six decimals" topup admin 0.0000001
refused 1 "more than nothing" topup admin 0
refused 1 "there are no prices" quote --hit 5
refused 1 "a preset is deepseek" prices set deepseek-march
refused 2 "choose one" list --json --csv
refused 2 "--csv is for lists" balance admin --csv
refused 1 "no charge for a request" quote 12345

says "rows               6" prices set deepseek-2025-02
says "alice" add alice --currency USD --warn-below 1
says "10.00" topup alice 10 --note "order 7"
says "2.50" grant alice 2.5 --expires 2099-01-01
says "12.50" balance alice
says "sk-" key add alice --name laptop --models deepseek-chat --cap 5 --cap-period month
says "laptop" key list alice
says "nothing was measured" profit
refused 1 "is none of: topups,webhook,cost-currency" setting set tea green
refused 1 "hour-price: 'dear' is no amount" setting set hour-price dear
says "watts" setting set watts 350
says "0.55" prices now --models deepseek-reasoner --time 2025-03-10
says "16:30-00:30 UTC" prices now --models deepseek-reasoner --time 2025-03-10T17:00:00Z
says "deepseek-2025-02" prices list
says "window 16:30-00:30 UTC" quote --model deepseek-chat --time 2025-03-10T16:30:00Z --output 1000000
says "= 0.55 USD" quote --model deepseek-chat --time 2025-03-10T16:30:00Z --output 1000000
says "= 1.10 USD" quote --model deepseek-chat --time 2025-03-10T16:29:59Z --output 1000000
says "times 0.80" quote --group 0.8 --output 10
says "order 7" ledger
says "clean              yes" audit

code=$(account code make 5 --count 3 --batch spring --csv | tr -d '\r' | sed -n 2p)
says "17.50" code redeem alice "$code"
refused 1 "not valid" code redeem alice "$code"
says "spring" code list
says "off" setting set topups off
refused 1 "Top-ups are suspended" topup alice 5
says "id" key revoke 2
refused 1 "that is not revoked" key revoke 2
if account list --json | jq -e '.data | length == 2 and .[0].account == "admin" and .[1].topped_up == "15.00"' > /dev/null; then pass "accounts as JSON"; else fail "accounts as JSON" "$(account list --json)"; fi
if [ "$(account ledger --csv | head -1)" = $'transfer,time,kind,account,request,book,amount,note\r' ]; then pass "the ledger as CSV"; else fail "the ledger as CSV" "$(account ledger --csv)"; fi

# Times around every edge of the published history and of a list with odd zones, windows and feasts.
if command -v python3 > /dev/null; then
    lists=(deepseek tests/cli/own_prices.json)
    python3 tests/cli/price_calculator.py make "${lists[@]}" > "$work/requests"
    if account quote --prices deepseek --file "$work/requests" > "$work/bills" 2> "$work/errors" &&
        paste "$work/requests" "$work/bills" | python3 tests/cli/price_calculator.py check "${lists[@]}" > "$work/checked"; then
        pass "bills as another calculator makes them: $(tail -1 "$work/checked")"
    else
        fail "bills as another calculator makes them" "$(cat "$work/errors" "$work/checked")"
    fi
    # that the calculator sees a difference at all
    if sed 's/"amount":\([0-9]*\)/"amount":1\1/' "$work/bills" | paste "$work/requests" - | python3 tests/cli/price_calculator.py check "${lists[@]}" > /dev/null; then
        fail "a wrong bill is noticed"
    else
        pass "a wrong bill is noticed"
    fi
else
    skip "the other calculator needs python3"
fi
report_end
