#!/usr/bin/env bash
# test_accounts.sh BUILD - a server with accounts: who is let in, what is refused and how, what is charged, the operator's
# endpoints, the owner's, and the webhook.
set -uo pipefail
. tools/report.sh
. tests/api/server.sh
model=../shared/models/tiny-v3
work=$(mktemp -d)
server='' hook=''
trap 'kill -9 $server $hook 2> /dev/null; rm -rf "$work"' EXIT

if [ ! -d "$model" ] || ! command -v node > /dev/null || ! command -v jq > /dev/null || ! command -v curl > /dev/null; then
    skip "accounts of a server need curl, jq, node and $model"
    report_end
    exit
fi
echo '{"name":"flat","rows":[{"models":["deepseek-chat"],"USD":{"hit":"1","miss":"10","output":"100"}}]}' > "$work/prices.json"

start() {
    : > "$work/errors" # or the place of the server before is read
    "$HADAL" serve -m "$model" --template deepseek-v3 --port 0 --accounts "$work/accounts.db" "$@" 2> "$work/errors" &
    server=$!
    for ((i = 0; i < 2400; i++)); do
        url=$(sed -n 's/.*serving \(http:[^,]*\),.*/\1/p' "$work/errors")
        [ -n "$url" ] && return
        kill -0 $server 2> /dev/null || return
        sleep 0.05
    done
}
# is WHAT EXPECTED FOUND
is() { if [ "$2" = "$3" ]; then pass "$1"; else fail "$1" "expected $2"$'\n'"found    $3"; fi; }
# ask KEY [FIELDS]: a chat; status in $code, body in $body
ask() {
    code=$(curl -s -m 60 -o "$work/body" -w '%{http_code}' -H "Authorization: Bearer $1" "$url/v1/chat/completions" \
        -d "{\"model\":\"deepseek-chat\",\"max_tokens\":10,\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}]${2:-}}")
    body=$(cat "$work/body")
}
# post KEY PATH [BODY]
post() { curl -s -m 60 -X POST -H "Authorization: Bearer $1" "$url$2" -d "${3:-}"; }
account() { "$HADAL" account --accounts "$work/accounts.db" "$@"; }
message() { jq -r '.error.message' <<< "$body"; }

start --host 127.0.0.1
wait $server
is "a server without prices does not start" 1 "$(grep -c 'there are no prices' "$work/errors")"

start --prices "$work/prices.json"
admin=$(grep -o 'sk-[0-9a-f]*' "$work/errors")
is "the first start prints an admin's key" 51 "${#admin}"
account add alice > /dev/null
key=$(account key add alice --json | jq -r .key)

ask sk-0123456789
is "an unknown key" "401 Authentication Fails, Your api key: ****6789 is invalid" "$code $(message)"
is "its type" authentication_error "$(jq -r .error.type <<< "$body")"
ask "$key"
is "an empty balance" '402 {"error":{"message":"Insufficient Balance","type":"unknown_error","param":null,"code":"invalid_request_error"}}' "$code $body"
is "GET /user/balance when it is empty" '{"is_available":false,"balance_infos":[{"currency":"USD","total_balance":"0.00","granted_balance":"0.00","topped_up_balance":"0.00"}]}' \
    "$(curl -s -H "x-api-key: $key" "$url/user/balance")"

post "$admin" /admin/topup '{"account":"alice","amount":"1"}' > /dev/null
post "$admin" /admin/grant '{"account":"alice","amount":"0.5"}' > /dev/null
ask "$key"
cost=$(jq '.usage | .prompt_cache_hit_tokens + 10 * .prompt_cache_miss_tokens + 100 * .completion_tokens' <<< "$body")
is "an answer that is paid" 200 "$code"
is "is charged by class, what is granted first" "{\"is_available\":true,\"balance_infos\":[{\"currency\":\"USD\",\"total_balance\":\"$(jq -nr "1500000 - $cost | . / 1000000")\",\"granted_balance\":\"$(jq -nr "500000 - $cost | . / 1000000")\",\"topped_up_balance\":\"1.00\"}]}" \
    "$(curl -s -H "Authorization: Bearer $key" "$url/user/balance")"
id=$(jq -r .id <<< "$body")
is "and in the log" "$cost" "$(grep "\"id\":\"$id\"" "$work/errors" | jq '.charged | tonumber * 1000000 | round')"
is "and explained to its owner" "$cost" "$(post "$key" /account/quote "{\"request\":\"$id\"}" | jq .bill.amount)"

# what limits a key
other=$(account add bob > /dev/null && account topup bob 1 > /dev/null && account key add bob --json | jq -r .key)
is "not to others" "there is no charge for a request '$id'" "$(post "$other" /account/quote "{\"request\":\"$id\"}" | jq -r .error.message)"
narrow=$(account key add bob --models deepseek-reasoner --json | jq -r .key)
ask "$narrow"
is "a key for other models" "403 This API key may not use the model deepseek-chat" "$code $(message)"
capped=$(account key add bob --cap 0.0005 --json | jq -r .key)
ask "$capped"
is "a key's cap bounds the answer" "200 4" "$code $(jq .usage.completion_tokens <<< "$body")"
ask "$capped"
is "and then refuses" "402 The spend cap of this API key is reached" "$code $(message)"
far=$(account key add bob --addresses 10.0.0.0/8 --json | jq -r .key)
ask "$far"
is "a key for other addresses" "401 Authentication Fails, Your api key: ****${far: -4} is not for the address 127.0.0.1" "$code $(message)"
is "a limited key makes no keys" "this key has limits: it makes and ends no keys" "$(post "$capped" /account/key/add | jq -r .error.message)"
made=$(post "$other" /account/key/add '{"name":"second"}' | jq -r .key)
ask "$made"
is "a key without limits does" 200 "$code"
is "and ends its own alone" "there is no key 1 that is not revoked" "$(post "$other" /account/key/revoke '{"id":1}' | jq -r .error.message)"
post "$other" /account/key/revoke "$(account key list bob --json | jq -c '{id: .data[-1].id}')" > /dev/null
ask "$made"
is "a key that was ended" "401 Authentication Fails, Your api key: ****${made: -4} was revoked" "$code $(message)"

# concurrency, and who leaves
account set bob --concurrency 1 > /dev/null
curl -s -N -H "Authorization: Bearer $other" "$url/v1/chat/completions" -o "$work/long" \
    -d '{"model":"deepseek-chat","stream":true,"ignore_eos":true,"max_tokens":4000,"messages":[{"role":"user","content":"Tell"}]}' &
long=$!
await test -s "$work/long"
ask "$other"
is "more at once than the account may" 429 "$code"
kill $long
wait $long 2> /dev/null
settled() { account audit | grep -q '^open_reservations *0$'; }
await settled
left=$(account charges --account bob --limit 1 --json | jq -c '.data[0] | [.finish, .output > 0, .output < 4000]')
is "who leaves pays for what was generated" '["cancelled",true,true]' "$left"

# operators
is "admin endpoints are not for everybody" 403 "$(curl -s -o /dev/null -w '%{http_code}' -X POST -H "Authorization: Bearer $other" "$url/admin/list")"
is "an action that is not there" 404 "$(curl -s -o /dev/null -w '%{http_code}' -X POST -H "Authorization: Bearer $admin" "$url/admin/list/more")"
is "no file is read for a list of prices" "prices: must be the name of a preset, or come with content" "$(post "$admin" /admin/prices/set '{"prices":"/etc/hostname"}' | jq -r .error.message)"
is "an action's fields are checked" "topup takes no tea" "$(post "$admin" /admin/topup '{"tea":1}' | jq -r .error.message)"
post "$admin" /admin/setting/set '{"name":"topups","value":"off"}' > /dev/null
code_text=$(post "$admin" /admin/code/make '{"amount":"5"}' | jq -r '.data[0].code')
is "top-ups are stopped" "Top-ups are suspended; existing balances go on being served" "$(post "$other" /account/code/redeem "{\"code\":\"$code_text\"}" | jq -r .error.message)"
ask "$other"
is "and serving goes on" 200 "$code"
post "$admin" /admin/setting/set '{"name":"topups","value":"on"}' > /dev/null
is "a code is redeemed" 1 "$(post "$other" /account/code/redeem "{\"code\":\"$code_text\"}" | jq '.topped_up_balance | tonumber | if . > 5 then 1 else 0 end')"

# the webhook, once
node -e 'require("http").createServer((q, r) => { let b = ""; q.on("data", d => b += d); q.on("end", () => { require("fs").appendFileSync(process.argv[1], b + "\n"); r.end(); }); }).listen(0, "127.0.0.1", function () { require("fs").writeFileSync(process.argv[2], String(this.address().port)); })' "$work/called" "$work/port" &
hook=$!
disown $hook
await test -s "$work/port"
account setting set webhook "http://127.0.0.1:$(cat "$work/port")/low" > /dev/null
account set alice --warn-below 1.4995 > /dev/null
for ((n = 0; n < 3; n++)); do ask "$key"; done
await test -s "$work/called"
is "the webhook is called once" '["low_balance","alice",true]' "$(jq -c '[.event, .account, (.balance | tonumber) < 1.4995]' "$work/called" 2> /dev/null)"

# what operators and owners look at
is "usage as CSV" "class,currency,requests,units,amount" "$(curl -s -X POST -H "Authorization: Bearer $key" -H 'Accept: text/csv' "$url/account/usage" -d '{"by":"class"}' | head -1 | tr -d '\r')"
is "an owner's rows take no account" "usage takes no account" "$(post "$other" /account/usage '{"account":"alice"}' | jq -r .error.message)"
is "an owner's charges are his own" '["bob"]' "$(post "$other" /account/charges '{"limit":1000}' | jq -c '[.data[].account] | unique')"
for path in list ledger audit profit load setting/list; do
    is "/account/$path is not there, and /admin/$path not his" "404 403" "$(for at in account admin; do curl -s -o /dev/null -w '%{http_code} ' -X POST -H "Authorization: Bearer $other" "$url/$at/$path"; done | sed 's/ $//')"
done
is "prices of the moment" '["hit","1.00"]' "$(post "$key" /account/prices/now '{"models":"deepseek-chat"}' | jq -c '.data[0] | [.class, .now]')"
is "load" '[true,true,true]' "$(post "$admin" /admin/load | jq -c '[.generated_tokens > 0, .pages > 0, .seconds > 0]')"
is "an audit over HTTP" true "$(post "$admin" /admin/audit | jq .clean)"
metrics=$(curl -s "$url/metrics")
charged=$(awk '/^hadal_account_charged_total/ { sum += $2 } END { printf "%d", sum * 1000000 + 0.5 }' <<< "$metrics")
is "metrics by group say what the ledger says" "$(account usage --by model --json | jq '[.data[].amount | tonumber * 1000000 | round] | add')" "$charged"
is "in series of groups alone" 1 "$(grep -c '^hadal_account_requests_total{model_name="tiny-v3",group="default",currency="USD"} ' <<< "$metrics")"

kill -TERM $server
wait $server
is "the server ends" 0 $?
account setting set hour-price 3.6 > /dev/null
is "its hours are measured, and cost" '[true,true]' "$(account profit --json --kwh-price 0.3 --watts 400 | jq -c '.total | [.cost, .revenue, .profit] | map(tonumber * 1000000 | round) | [.[0] > 0, .[1] - .[0] == .[2]]')"
is "the audit is clean" 0 "$(account audit > "$work/audit"; echo $?)"
is "another server does not take the same journal" 1 "$(
    exec 8>> "$work/accounts.db.running" && flock 8
    start > /dev/null 2>&1 8>&-
    wait $server
    grep -c 'another server is running' "$work/errors"
)"
if [ "$(stat -c %a "$work/accounts.db" "$work/accounts.db.running" | sort -u)" = 600 ]; then pass "its files are private"; else fail "its files are private"; fi
report_end
