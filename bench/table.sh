#!/usr/bin/env bash
# table.sh [--write] - the tables that the records in bench/results make. --write puts them into docs/BENCHMARKS.md,
# between its marks; without it they are printed. RESULTS names another folder.
set -euo pipefail
cd "$(dirname "$0")/.."
results=${RESULTS:-bench/results} page=docs/BENCHMARKS.md
tables=$(for file in "$results"/*.json; do
    [ -f "$file" ] && jq -c --arg name "$(basename "$file" .json)" '{$name, record: .}' "$file"
done | jq -s -r -f bench/table.jq)
if [ "${1:-}" != --write ]; then
    printf '%s\n' "$tables"
    exit
fi
TABLES=$tables awk '
    /^<!-- end of the tables -->$/ { writing = 0 }
    !writing { print }
    /^<!-- tables: bench\/table.sh --write -->$/ { print ENVIRON["TABLES"]; writing = 1 }' "$page" > "$page.new"
mv "$page.new" "$page"
