#!/usr/bin/env bash
# test_plan_pages.sh BUILD - a browser over the pages that hadal plan --html prints.
set -uo pipefail
. tools/report.sh
build=$1
. tests/web/setup.sh

pages=$work/pages
mkdir "$pages"
# page NAME INPUT VALUE PERCENT ARGUMENTS...: VALUE as the page's field takes it
page() {
    local name=$1 input=$2 value=$3 percent=$4
    shift 4
    "$HADAL" plan "$@" --html > "$pages/$name.html" < /dev/null
    "$HADAL" plan "$@" --json > "$pages/$name.json" < /dev/null
    "$HADAL" plan "$@" --set "$input=$value$percent" --json > "$pages/$name.changed.json" < /dev/null
    echo "{\"set\": [\"$input\", $value]}" > "$pages/$name.set"
}
page fit batch 16 "" fit deepseek-v3 --hardware h200 --type fp8
page serve hit_share 20 % serve --price r1
page train tokens 1e12 "" train
for preset in $("$HADAL" plan preset --json | sed -n 's/.*"preset": *"\([^"]*\)".*/\1/p'); do
    read -r input value percent < <("$HADAL" plan preset "$preset" --json | node -e '
        const sheet = JSON.parse(require("fs").readFileSync(0));
        const row = sheet.inputs.find((i) => i.value && sheet.results.some((r) => !/choose/.test(r.formula) && new RegExp("\\b" + i.name + "\\b").test(r.formula)));
        console.log(row.name, row.unit === "%" ? row.value * 50 : row.value / 2, row.unit === "%" ? "%" : "")')
    page "preset-$preset" "$input" "$value" "$percent" preset "$preset"
done
drive plan.mjs "$pages"
report_end
