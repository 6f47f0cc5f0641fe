#!/usr/bin/env bash
# run_tests.sh BUILD PROGRAM... - runs test programs from the repository root, as many at once as there are processors
# (or JOBS), prints the output of each, and closes with "N passed, N failed" over all of them.
#
# A program may be
#   */fuzz_*  a fuzz target without its engine: it replays tests/fuzz/corpus/NAME; one test
#   *.sh      a script: lines "ok - what" and "not ok - what", last line "N passed, N failed". It gets the build
#             directory as its argument and the binary as $HADAL
#   other     a cmocka program
# A program that ends badly without counting a failure, or without counting anything, is one failure.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
build=$1
shift
jobs=${JOBS:-$(nproc)}
limit=${TEST_TIMEOUT:-300} # seconds for each program
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

# Tests see neither the user's settings nor his files, nor each other's: run_one gives each a home.
for name in $(compgen -e HADAL_); do unset "$name"; done
export HADAL=$PWD/$build/hadal CMOCKA_MESSAGE_OUTPUT=stdout
export UBSAN_OPTIONS=print_stacktrace=1 LC_ALL=C.UTF-8

run_one() {
    local program=$1 home=$logs/home.$BASHPID
    mkdir -p "$home"
    export HOME=$home XDG_CONFIG_HOME=$home/config XDG_STATE_HOME=$home/state XDG_CACHE_HOME=$home/cache
    case $program in
    *.sh) timeout -k 10 "$limit" bash "$program" "$build" ;;
    */fuzz_*)
        local corpus=tests/fuzz/corpus/${program##*/fuzz_}
        timeout -k 10 "$limit" "$program" "$corpus" && echo "1 passed, 0 failed"
        ;;
    *) timeout -k 10 "$limit" "$program" ;;
    esac
}

# Prints "passed failed skipped" of a log.
count() {
    awk '
        /^\[  PASSED  \] [0-9]+ test/ { passed += $4 }
        /^\[  FAILED  \] [0-9]+ test/ { failed += $4 }
        /^\[  SKIPPED \] [0-9]+ test/ { skipped += $4 }
        /^[0-9]+ passed, [0-9]+ failed$/ { script_passed = $1; script_failed = $3 }
        /^skipped - / { skipped++ }
        END { print passed + script_passed + 0, failed + script_failed + 0, skipped + 0 }' "$1"
}

passed=0 failed=0 skipped=0 bad=()

finish() { # index program
    local log=$logs/$1.log program=$2 status p f s
    wait "${process[$1]}"
    status=$?
    read -r p f s < <(count "$log")
    echo "== $program"
    sed '/^[0-9]* passed, [0-9]* failed$/d' "$log"
    if [ "$status" != 0 ] && [ "$f" = 0 ]; then
        case $status in
        124) echo "not ok - $program took longer than $limit s" ;;
        *) echo "not ok - $program ended with status $status" ;;
        esac
        f=1
    elif [ $((p + f + s)) = 0 ]; then
        echo "not ok - $program counted no test"
        f=1
    fi
    [ "$f" = 0 ] || bad+=("$program")
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

process=() programs=("$@") done_count=0
for index in "${!programs[@]}"; do
    if [ $((index - done_count)) -ge "$jobs" ]; then
        finish "$done_count" "${programs[done_count]}"
        done_count=$((done_count + 1))
    fi
    run_one "${programs[index]}" > "$logs/$index.log" 2>&1 < /dev/null &
    process[index]=$!
done
while [ "$done_count" -lt ${#programs[@]} ]; do
    finish "$done_count" "${programs[done_count]}"
    done_count=$((done_count + 1))
done

echo
[ ${#bad[@]} = 0 ] || printf 'failed: %s\n' "${bad[@]}"
[ "$skipped" = 0 ] || echo "$skipped skipped for want of material or hardware"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
