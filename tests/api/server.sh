# server.sh - sourced by test scripts behind report.sh: servers of the test's own.
#
#   server_start ARGUMENTS...   starts one of $HADAL with --port 0 and waits; sets $server and $url
#   server_await FILE           waits until $server says in FILE where it is, and sets $url
#   await COMMAND...            until it succeeds, for at most a minute
#   server_end                  ends it, which it must do well: sanitizers say there what they found
#   metric NAME                 a number of /metrics
# $work is the test's folder, $work/errors what the server says. The trap on EXIT is the caller's.
# shellcheck disable=SC2154
server_start() {
    : > "$work/errors"
    "$HADAL" serve --port 0 --no-log "$@" 2>> "$work/errors" &
    server=$!
    server_await "$work/errors"
}

server_await() {
    url=
    for ((i = 0; i < 2400; i++)); do
        url=$(sed -n 's/.*serving \(https\{0,1\}:[^,]*\),.*/\1/p' "$1" 2> /dev/null)
        [ -n "$url" ] && return
        kill -0 $server 2> /dev/null || break
        sleep 0.05
    done
    fail "the server starts" "$(cat "$1")"
    return 1
}

await() {
    local end=$((SECONDS + 60))
    until "$@"; do
        [ $SECONDS -lt $end ] || return
        sleep 0.02
    done
}

server_end() {
    local ended=$server status
    server=
    kill -TERM "$ended"
    wait "$ended" 2> /dev/null
    status=$?
    [ $status = 0 ] || fail "the server ends well" "status $status: $(cat "$work/errors")"
}

metric() { curl -s "$url/metrics" | awk -v name="$1{" 'index($1, name) == 1 { print $2 }'; }
