#!/usr/bin/env bash
# fuzz.sh BUILD SECONDS - runs every libFuzzer target of BUILD for SECONDS on a copy of its corpus. What it finds is
# left in BUILD/findings; a fixed finding belongs into tests/fuzz/corpus/NAME.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
. tools/report.sh
build=$1 seconds=$2

for source in tests/fuzz/fuzz_*.c; do
    [ -e "$source" ] || break
    name=$(basename "$source" .c) name=${name#fuzz_}
    grown=$build/corpus/$name found=$build/findings/$name-
    mkdir -p "$grown" "$build/findings"
    echo "== $name for $seconds s"
    dictionary=()
    [ -e "tests/fuzz/$name.dict" ] && dictionary=("-dict=tests/fuzz/$name.dict")
    if "$build/tests/fuzz/fuzz_$name" -max_total_time="$seconds" -timeout=5 -rss_limit_mb=2048 -max_len=65536 \
        -print_final_stats=1 -artifact_prefix="$found" "${dictionary[@]}" "$grown" "tests/fuzz/corpus/$name" \
        > "$build/findings/$name.log" 2>&1; then
        pass "$name: $(grep -o 'number_of_executed_units: .*' "$build/findings/$name.log" | cut -d' ' -f2) runs without a finding"
    else
        fail "$name" "$(grep -E 'ERROR|SUMMARY|Test unit written' "$build/findings/$name.log")"
    fi
done
report_end
