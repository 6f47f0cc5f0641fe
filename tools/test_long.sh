#!/usr/bin/env bash
# test_long.sh - what make test-long runs: the whole suite as it is, under AddressSanitizer and UndefinedBehaviorSanitizer
# and as clang compiles it; several ranks under mpirun; what has threads under ThreadSanitizer; every unit test and a short
# generation under valgrind; every fuzz target for FUZZ_SECONDS.
# Half an hour and more on two processors.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
. tools/report.sh
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
model=../shared/models/tiny-v3

# stage NAME COMMAND...: shows the output as it comes and adds up its closing line.
stage() {
    local name=$1 result
    shift
    echo "==== $name"
    "$@" 2>&1 | tee "$logs/stage"
    local status=${PIPESTATUS[0]}
    result=$(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$logs/stage" | tail -1)
    if [ -z "$result" ]; then
        fail "$name ended with status $status"
    else
        report_passed=$((report_passed + ${result%% *}))
        result=${result#*, }
        report_failed=$((report_failed + ${result%% *}))
    fi
}

# Valgrind 3.19 has no AVX-512; the processor that it shows to the program has AVX2.
under_valgrind() {
    local check="valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite"
    . tools/report.sh
    local programs
    # test_file_map lets pages vanish and a signal handler replace them, of which valgrind knows nothing.
    mapfile -t programs < <(find build/tests/unit -type f -executable ! -name test_file_map)
    for program in "${programs[@]}"; do
        timeout 1800 $check "$program" > "$logs/valgrind" 2>&1
        case $? in
        99) fail "valgrind $program" "$(grep '^==' "$logs/valgrind")" ;;
        124) fail "valgrind $program: longer than half an hour" ;;
        *) pass "valgrind $program" ;; # its own failures have been counted by the plain run
        esac
    done
    if [ -d "$model" ]; then
        timeout 1800 $check build/hadal generate -m "$model" -p ROMEO: -n 8 --threads 2 > "$logs/valgrind" 2>&1 &&
            pass "valgrind hadal generate" || fail "valgrind hadal generate" "$(cat "$logs/valgrind")"
    fi
    report_end
}

# What has threads: requests of the service, and servers under load.
under_threads() {
    make --no-print-directory SAN=thread build-thread/hadal || return
    local programs scripts=(tests/api/test_load.sh tests/api/test_serve.sh)
    mapfile -t programs < <(printf 'build-thread/%s\n' tests/unit/engine/test_{service*,public_threads,replay*}.c tests/unit/server/test_*.c | sed 's/\.c$//')
    make --no-print-directory SAN=thread "${programs[@]}" || return
    TEST_TIMEOUT=1800 tools/run_tests.sh build-thread "${programs[@]}" "${scripts[@]}"
}

killed() {
    . tools/report.sh
    tools/train_kill.sh build/hadal 20 > "$logs/killed" 2>&1 && pass "a run killed 20 times" || fail "a run killed 20 times" "$(cat "$logs/killed")"
    report_end
}

stage "plain" make --no-print-directory run-tests
stage "killed runs" killed
stage "sanitizers" env TEST_TIMEOUT=1800 make --no-print-directory SAN=address,undefined run-tests
stage "threads" under_threads
stage "ranks" make --no-print-directory test-ranks
stage "clang" env TEST_TIMEOUT=600 make --no-print-directory CC=clang WERROR=1 run-tests
stage "valgrind" under_valgrind
stage "fuzzing" make --no-print-directory fuzz "FUZZ_SECONDS=${FUZZ_SECONDS:-60}"
report_end
