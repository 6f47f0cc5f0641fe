# setup.sh - sourced by tests of pages behind report.sh: what drives a browser, and servers. Sets $chromium, $modules, $model, $work;
# where something is missing it says so and the script ends.
#
#   start OPTIONS...   a server, whose address is then $url, and what it says $log
#   drive FILE ARGUMENTS...   runs FILE of tests/web, and reports what it says
# shellcheck disable=SC2034,SC2154
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

. tests/support/npm.sh
mkdir -p "$modules/screenshots"
cp -pu tests/api/search_world.mjs "$modules"
if ! npm_install tests/web "$modules" "$work/npm"; then
    skip "what drives the browser cannot be installed: $(grep -m 1 'npm error' "$work/npm")"
    report_end
    exit
fi

start() {
    log=$(mktemp -p "$work")
    "$HADAL" serve -m "$model" --template deepseek-v3.1 --port 0 --no-log --parallel 4 "$@" 2> "$log" > /dev/null &
    servers+=($!)
    for ((i = 0; i < 1200; i++)); do
        url=$(sed -n 's/.*serving \(http:[^,]*\),.*/\1/p' "$log")
        [ -n "$url" ] && return
        sleep 0.1
    done
    fail "the server starts" "$(cat "$log")"
}

# The browser asks for no name server and no other host: what a page loads comes from its own server.
drive() {
    local real status
    real=$(realpath -s "$model")
    (cd "$modules" && CHROMIUM=$chromium MODEL=$real timeout 290 node "$@") > "$work/out" 2>&1
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
}
