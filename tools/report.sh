# report.sh - sourced by test scripts: counts and prints results in the form that run_tests.sh reads.
#
#   pass "what"            one test passed
#   fail "what" "details"  one failed; details are shown indented
#   skip "what"            not possible here
#   report_end             the closing line; the exit status
report_passed=0 report_failed=0

pass() {
    report_passed=$((report_passed + 1))
    echo "ok - $1"
}

fail() {
    report_failed=$((report_failed + 1))
    echo "not ok - $1"
    [ -z "${2:-}" ] || printf '%s\n' "$2" | head -40 | sed 's/^/    /'
}

skip() { echo "skipped - $1"; }

# clean "what" "findings": passes when there are no findings.
clean() {
    if [ -z "$2" ]; then pass "$1"; else fail "$1" "$2"; fi
}

report_end() {
    echo "$report_passed passed, $report_failed failed"
    [ "$report_failed" = 0 ]
}
