#!/usr/bin/env bash
# compare.sh PEER_BIN MODEL.gguf [MODEL.gguf ...] - the same files through hadal and through a llama-bench, of llama.cpp
# or ik_llama.cpp, in turns: one of the two at a time, each round in the other order. Prints ratios of the medians with
# what the slowest and fastest samples would make of them, and writes everything as JSON. What a peer cannot run is said,
# written into the record with the peer's own reason, and not tried again; the exit status is then 1.
#
#   PREFILL="512 2048"  DECODE=64  DEPTHS="0 4096"   what is measured; empty leaves a test out
#   THREADS=2  ROUNDS=3  REPEAT=1                    samples of a test: ROUNDS times REPEAT
#   OUT=compare.json                                 the record
#   PEER_NAME, PEER_FLAGS                            what the peer is called and given; chosen by its kind when unset
#   HADAL=build/hadal, HADAL_FLAGS="--kv-type bf16"  its cache has as many bytes as the peers' f16
#   LIMIT=3600                                       seconds for one run of either
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# -ge 2 ] || {
    echo "usage: bench/compare.sh PEER_BIN MODEL.gguf [MODEL.gguf ...]" >&2
    exit 2
}
peer=$1
shift
prefill=${PREFILL-512 2048} decode=${DECODE-64} depths=${DEPTHS-0 4096}
threads=${THREADS:-2} rounds=${ROUNDS:-3} repeat=${REPEAT:-1} out=${OUT:-compare.json} limit=${LIMIT:-3600}
hadal=${HADAL:-$here/../build/hadal}
read -r -a hadal_flags <<< "${HADAL_FLAGS---kv-type bf16}"
work=$(mktemp -d)
child=
trap 'rm -rf "$work"' EXIT
trap '[ -z "$child" ] || kill "$child"; exit 130' INT TERM # nothing is left running

stop() {
    echo "compare.sh: $1" >&2
    exit 1
}

for tool in jq timeout; do command -v $tool > /dev/null || stop "$tool is missing"; done
[ -x "$peer" ] || stop "$peer: no program"
[ -x "$hadal" ] || stop "$hadal: no program; run make"

# Which of the two it is, by its options.
help=$("$peer" --help 2>&1 || true)
if grep -q -- '-gp <' <<< "$help"; then
    kind=ik_llama.cpp flags="-mla 3 -fa 1 -fmoe 1 -amb 512 -rtr 1"
elif grep -q -- '--n-depth' <<< "$help"; then
    kind=llama.cpp flags=
else
    stop "$peer: neither llama.cpp's llama-bench nor ik_llama.cpp's"
fi
name=${PEER_NAME:-$kind}
read -r -a peer_flags <<< "${PEER_FLAGS-$flags}"

# run COMMAND...: output to $work/output; otherwise `reason`, the last line that it wrote
run() {
    local status=0
    timeout "$limit" "$@" > "$work/output" 2> "$work/errors" < /dev/null &
    child=$!
    wait "$child" || status=$?
    child=
    [ $status != 0 ] || return 0
    reason="exit status $status: $(grep -v '^ *$' "$work/errors" | tail -1)"
    [ $status != 124 ] || reason="no result within $limit s"
    return 1
}

run_ours() { run "$hadal" "$@" || stop "hadal cannot run $model: $reason"; }

# keep PROGRAM: lines of $work/output, marked
keep() {
    jq -c --arg program "$1" --arg model "${model##*/}" --argjson round "$round" '. + {$program, $model, $round}' \
        "$work/output" >> "$work/lines"
}

run_hadal() {
    local tokens
    for tokens in $prefill; do
        run_ours bench -m "$model" --test prefill -p "$tokens" -t "$threads" -r "$repeat" "${hadal_flags[@]}" --json
        keep hadal
    done
    [ -n "$decode" ] || return 0
    run_ours bench -m "$model" --test decode -n "$decode" -d "${depths// /,}" -t "$threads" -r "$repeat" "${hadal_flags[@]}" --json
    keep hadal
}

# The peer's last line seldom says why it cannot load a file: it is asked again and told to talk.
explain() {
    local told
    told=$(timeout "$limit" "$peer" -v -m "$model" -t "$threads" -r 1 -o json "${peer_flags[@]}" "$@" 2>&1 < /dev/null |
        grep -aE 'error loading|GGML_ASSERT|GGML_ABORT|[Ee]rror:' | head -1) || true
    [ -z "$told" ] || reason="$reason ($told)"
}

run_llama_bench() {
    if [ -f "$work/failed" ] && jq -e --arg model "${model##*/}" --arg arguments "$*" \
        'select(.model == $model and .arguments == $arguments)' "$work/failed" > /dev/null; then
        return
    fi
    if ! run "$peer" -m "$model" -t "$threads" -r "$repeat" -o json "${peer_flags[@]}" "$@"; then
        [[ $reason != "exit status"* ]] || explain "$@"
    elif ! jq -c -f "$here/llama_bench.jq" "$work/output" > "$work/converted" 2> /dev/null; then
        reason="its output is no JSON of a llama-bench"
    elif ! [ -s "$work/converted" ]; then
        reason="its output has no test"
    else
        mv "$work/converted" "$work/output"
        keep "$name"
        return
    fi
    reason=${reason//"$model"/${model##*/}}
    echo "compare.sh: $name cannot run $model with $*: $reason" >&2
    jq -n -c --arg model "${model##*/}" --arg peer "$name" --arg arguments "$*" --arg reason "$reason" \
        '{$model, $peer, $arguments, $reason}' >> "$work/failed"
}

run_peer() {
    local depth arguments=()
    [ -z "$prefill" ] || run_llama_bench -p "${prefill// /,}" -n 0
    [ -n "$decode" ] || return 0
    if [ $kind = llama.cpp ]; then
        run_llama_bench -p 0 -n "$decode" -d "${depths// /,}"
        return
    fi
    for depth in $depths; do
        if [ "$depth" = 0 ]; then arguments+=(-n "$decode"); else arguments+=(-gp "$depth,$decode"); fi
    done
    [[ " $depths " == *" 0 "* ]] || arguments+=(-n 0)
    run_llama_bench -p 0 "${arguments[@]}"
}

compare_model() {
    : > "$work/lines"
    for ((round = 1; round <= rounds; round++)); do
        echo "$model: round $round of $rounds" >&2
        if ((round % 2)); then
            run_hadal
            run_peer
        else
            run_peer
            run_hadal
        fi
    done
    jq -s --arg peer "$name" -f "$here/compare.jq" "$work/lines" > "$work/compared"
    cat "$work/compared" >> "$work/all"
    jq -r '(.results | map({key: "\(.program) \(.test) \(.tokens) \(.depth)", value: .median}) | from_entries) as $speed
        | .ratios[] | . as $r | ["hadal", .peer] | map($speed["\(.) \($r.test) \($r.tokens) \($r.depth)"]) as $both
        | [$r.test, $r.tokens, $r.depth, $both[], $r.ratio, $r.low, $r.high] | @tsv' "$work/compared" |
        awk -F '\t' -v peer="$name" 'NR == 1 { printf "%-8s %6s %6s %12s %14s %7s  %s\n", "test", "tokens", "depth", "hadal t/s", peer, "ratio", "spread" }
            { printf "%-8s %6d %6d %12.2f %14.2f %7.2f  [%.2f .. %.2f]\n", $1, $2, $3, $4, $5, $6, $7, $8 }'
}

load=$(cut -d' ' -f1 /proc/loadavg)
for model in "$@"; do
    [ -f "$model" ] || stop "$model: no such file"
    compare_model
done
commit=$(git -C "$here" rev-parse HEAD 2> /dev/null || echo unknown)
tree=$([ -z "$(git -C "$here" status --porcelain -- ../src ../include ../Makefile 2> /dev/null)" ] && echo clean || echo modified)
[ -f "$work/failed" ] || : > "$work/failed"
jq -s --slurpfile failed "$work/failed" --arg date "$(date -u +%F)" --arg commit "$commit" --arg tree "$tree" --arg peer "$name" --arg load "$load" \
    --arg processor "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)" --arg processors "$(nproc)" \
    --arg peer_flags "${peer_flags[*]}" --arg hadal_flags "${hadal_flags[*]}" --arg note "${NOTE:-}" \
    --arg rounds "$rounds" --arg repeat "$repeat" \
    '{$date, $commit, $tree, $processor, processors: ($processors | tonumber), load_before: ($load | tonumber), $peer,
      $peer_flags, $hadal_flags, rounds: ($rounds | tonumber), repeat: ($repeat | tonumber), $note,
      results: map(.results[]), ratios: map(.ratios[]), $failed}' "$work/all" > "$out"
echo "$out" >&2
[ ! -s "$work/failed" ]
