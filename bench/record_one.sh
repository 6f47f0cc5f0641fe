#!/usr/bin/env bash
# record_one.sh NAME OPTIONS... - runs `hadal bench --json OPTIONS...` and writes bench/results/NAME.json: the command, the
# commit, the machine, and every line of the benchmark with its raw samples. HADAL names another binary than build/hadal,
# NOTE says what else a reader should know.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -ge 2 ] || {
    echo "usage: bench/record_one.sh NAME OPTIONS..." >&2
    exit 2
}
name=$1
shift
binary=${HADAL:-build/hadal}
lines=$(mktemp)
trap 'rm -f "$lines"' EXIT
load=$(cut -d' ' -f1 /proc/loadavg) # of others, before we begin
awk -v load="$load" 'BEGIN { exit !(load > 0.3) }' && echo "record_one.sh: the machine is busy (load $load); expect noise" >&2
"$binary" bench "$@" --json | tee "$lines" >&2

commit=$(git rev-parse HEAD)
[ -z "$(git status --porcelain -- src include Makefile)" ] && tree=clean || tree=modified
results=${RESULTS:-bench/results}
mkdir -p "$results"
jq -s --arg command "hadal bench $* --json" --arg commit "$commit" --arg tree "$tree" --arg load "$load" \
    --arg note "${NOTE:-}" --arg date "$(date -u +%F)" --arg compiler "$(gcc --version | head -1)" --arg kernel "$(uname -sr)" \
    --arg processors "$(nproc)" --arg memory "$(awk '/MemTotal/ { print $2 * 1024 }' /proc/meminfo)" \
    'def named: gsub("/[^ ]*/"; ""); # where files lie says nothing
     {$date, command: ($command | named), $commit, $tree, processor: .[0].processor, processors: ($processors | tonumber),
      memory_bytes: ($memory | tonumber), load_before: ($load | tonumber), $kernel, $compiler,
      $note, results: map(del(.processor) | if .model then .model |= named else . end)}' "$lines" > "$results/$name.json"
echo "$results/$name.json" >&2
