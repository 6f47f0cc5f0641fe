#!/usr/bin/env bash
# test_page.sh BUILD - a browser over the pages of running servers. Screenshots for a person to look at are left in
# BUILD/tests/web/screenshots.
set -uo pipefail
. tools/report.sh
build=$1
model=../shared/models/tiny-v3
modules=$build/tests/web
work=$(mktemp -d)
servers=()
trap 'kill "${servers[@]}" 2> /dev/null; rm -rf "$work"' EXIT

chromium=$(command -v chromium || command -v chromium-browser || command -v google-chrome)
if [ ! -d "$model" ] || [ -z "$chromium" ] || ! command -v node > /dev/null || ! command -v npm > /dev/null; then
    skip "pages need chromium, node, npm and $model"
    report_end
    exit
fi

mkdir -p "$modules/screenshots"
cp tests/web/*.mjs tests/api/search_world.mjs tests/web/package.json tests/web/package-lock.json tests/web/.npmrc "$modules"
if ! cmp -s tests/web/package-lock.json "$modules/installed"; then
    if ! (cd "$modules" && npm ci) > "$work/npm" 2>&1; then
        skip "what drives the browser cannot be installed: $(grep -m 1 'npm error' "$work/npm")"
        report_end
        exit
    fi
    cp tests/web/package-lock.json "$modules/installed"
fi

# start OPTIONS...: prints where the server is
start() {
    local log
    log=$(mktemp -p "$work")
    "$HADAL" serve -m "$model" --template deepseek-v3.1 --port 0 --no-log --parallel 4 "$@" 2> "$log" > /dev/null &
    servers+=($!)
    for ((i = 0; i < 200; i++)); do
        url=$(sed -n 's/.*serving \(http:[^,]*\),.*/\1/p' "$log")
        [ -n "$url" ] && return
        sleep 0.1
    done
    fail "the server starts" "$(cat "$log")"
}
echo "sk-page-0123456789 tester" > "$work/keys"
start
open=$url
start --api-keys "$work/keys"
locked=$url

# The browser asks for no name server and no other host: what a page loads comes from its own server.
(cd "$modules" && CHROMIUM=$chromium MODEL=$(realpath -s "$OLDPWD/$model") timeout 290 node run.mjs "$open" "$locked" sk-page-0123456789 "${@:2}") > "$work/out" 2>&1
status=$?
while IFS= read -r line; do
    case $line in
    "ok - "*) pass "${line#ok - }" ;;
    "not ok - "*) fail "${line#not ok - }" ;;
    "skipped - "*) skip "${line#skipped - }" ;;
    *) echo "$line" ;;
    esac
done < "$work/out"
[ $status = 0 ] || [ $status = 1 ] || fail "the browser's tests end" "status $status"
report_end
