#!/usr/bin/env bash
# check_format.sh - the source is as clang-format 14 leaves it (other versions differ in details); scripts satisfy
# the linter for scripts.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
. tools/report.sh

if clang-format --version 2> /dev/null | grep -q 'version 14\.'; then
    drift=$(find src include tests examples recipes -name '*.[ch]' -print0 |
        xargs -0 clang-format --dry-run --Werror 2>&1 | grep -E 'error:' | cut -d: -f1 | sort | uniq -c |
        awk '{ print $2 ": " $1 " places; make format" }')
    clean "source is formatted" "$drift"
else
    skip "source format: clang-format 14 is not here"
fi
if command -v shellcheck > /dev/null; then
    scripts=$(find tools tests recipes -name '*.sh'; ls .ci/run 2> /dev/null)
    # SC1091: sourced files are checked on their own. SC2046, SC2086: lists of our own file names are split on purpose.
    # shellcheck disable=SC2086
    clean "scripts pass shellcheck" "$(shellcheck -s bash -S warning -e SC1091,SC2046,SC2086 -f gcc $scripts)"
else
    skip "shellcheck is not here"
fi
report_end
