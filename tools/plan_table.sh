#!/usr/bin/env bash
# plan_table.sh HADAL [--write] - the tables of docs/PLAN.md: every input and formula of every sheet with its source, as
# the program has them. Without --write they are printed.
set -euo pipefail
cd "$(dirname "$0")/.."
hadal=$1
page=docs/PLAN.md

table() { # sheet's JSON on standard input
    jq -r '"### \(.title)\n\n`hadal plan \(.command)`\n\n| input | | value | unit | source |\n|---|---|---|---|---|",
        (.inputs[] | "| `\(.name)` | \(.label) | \(.value) | \(.unit // "") | \(.source // "assumption") |"),
        "\n| result | | formula | unit | published |\n|---|---|---|---|---|",
        (.results[] | "| `\(.name)` | \(.label) | `\(.formula)` | \(.unit // "") | \(if .published then "\(.published) (\(.source))" else "" end) |"),
        ""'
}
tables() {
    local name
    "$hadal" plan fit deepseek-v3 --type fp8 --hardware h800 --json | jq '. + {command: "fit deepseek-v3 --type fp8 --hardware h800"}' | table
    "$hadal" plan serve --json | jq '. + {command: "serve"}' | table
    "$hadal" plan train --json | jq '. + {command: "train"}' | table
    for name in $("$hadal" plan preset --json | jq -r .preset); do
        "$hadal" plan preset "$name" --json | jq ". + {command: \"preset $name\"}" | table
    done
}

if [ "${2:-}" = --write ]; then
    kept=$(sed '/^<!-- tables/q' "$page")
    { printf '%s\n\n' "$kept"; tables; } > "$page.new"
    mv "$page.new" "$page"
else
    tables
fi
