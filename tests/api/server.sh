# server.sh - sourced by test scripts behind report.sh: servers of the test's own.
#
#   server_start ARGUMENTS...   starts one of $HADAL with --port 0 and waits; sets $server and $url
#   server_end                  ends it, which it must do well: sanitizers say there what they found
#   metric NAME                 a number of /metrics
# $work is the test's folder, $work/errors what the server says. The trap on EXIT is the caller's.
# shellcheck disable=SC2154
server_start() {
    url=
    : > "$work/errors"
    "$HADAL" serve --port 0 --no-log "$@" 2>> "$work/errors" &
    server=$!
    for ((i = 0; i < 400; i++)); do
        url=$(sed -n 's/.*serving \(https\{0,1\}:[^,]*\),.*/\1/p' "$work/errors")
        [ -n "$url" ] && return
        kill -0 $server 2> /dev/null || break
        sleep 0.05
    done
    fail "the server starts" "$(cat "$work/errors")"
    return 1
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
