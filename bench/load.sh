#!/usr/bin/env bash
# load.sh LLAMA_SERVER MODEL.gguf - the same file served by hadal and by llama.cpp's llama-server, one at a time, each asked
# by `hadal bench load` in the same way, each round in the other order. Prints what came out, and ratios of the medians.
#
#   USERS=16 REQUESTS=32 PROMPT=256 TOKENS=64   the crowd: users at once, requests in all, tokens of each; USERS=0 leaves it out
#   LONG=4000 TURNS=2                           one user's conversation; LONG=0 leaves it out
#   THREADS=2 ROUNDS=1 OUT=load.json
#   PROGRAMS="hadal llama-server"               which of the two, in the order of the first round
#   PEER_FLAGS, HADAL_FLAGS                     more options of the servers
#   HADAL=build/hadal
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# = 2 ] || {
    echo "usage: bench/load.sh LLAMA_SERVER MODEL.gguf" >&2
    exit 2
}
peer=$1 model=$2 hadal=${HADAL:-$here/../build/hadal}
users=${USERS:-16} requests=${REQUESTS:-32} prompt=${PROMPT:-256} tokens=${TOKENS:-64}
long=${LONG:-4000} turns=${TURNS:-2} programs=${PROGRAMS:-hadal llama-server} threads=${THREADS:-2} rounds=${ROUNDS:-1} out=${OUT:-load.json}
read -r -a hadal_flags <<< "${HADAL_FLAGS-}"
read -r -a peer_flags <<< "${PEER_FLAGS-}"
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2> /dev/null; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

stop() {
    echo "load.sh: $1" >&2
    exit 1
}
for tool in jq curl; do command -v $tool > /dev/null || stop "$tool is missing"; done
[ -f "$model" ] || stop "$model: no such file"

# Room for all users at once, or for the conversation.
slots=$((users > 0 ? users : 1)) each=$((prompt + tokens + 64)) whole=$(((long + 128) + turns * (tokens + 128)))
[ "$long" = 0 ] && whole=0
each=$((each > 2048 ? each : 2048)) # the questions before the run have some length, too
room=$((slots * each > whole ? slots * each : whole)) context=$((each > whole ? each : whole))

start() { # NAME
    if [ "$1" = hadal ]; then
        "$hadal" serve -m "$model" --port 0 --no-log -t "$threads" --parallel "$slots" --ctx "$context" \
            --cache-tokens $((room + 4096)) "${hadal_flags[@]}" 2> "$work/$1.errors" &
    else
        "$peer" -m "$model" --port 8099 -t "$threads" -tb "$threads" -np "$slots" -c $((context * slots)) \
            "${peer_flags[@]}" > "$work/$1.out" 2> "$work/$1.errors" &
    fi
    server=$!
    for ((i = 0; i < 600; i++)); do
        kill -0 "$server" 2> /dev/null || stop "$1 ended: $(tail -2 "$work/$1.errors")"
        url=http://127.0.0.1:8099
        [ "$1" = hadal ] && url=$(sed -n 's/.*serving \(http:[^,]*\),.*/\1/p' "$work/$1.errors")
        [ -n "$url" ] && curl -fs "$url/health" > /dev/null && return
        sleep 0.5
    done
    stop "$1 does not answer"
}

ask() { # NAME TEST OPTIONS...
    local name=$1 test=$2
    shift 2
    "$hadal" bench load --url "$url/v1" -n "$tokens" --extra '{"ignore_eos": true}' --seed "$round" --json "$@" |
        jq -c --arg program "$name" --arg case "$test" --argjson round "$round" '. + {$program, $case, $round}' >> "$work/lines"
}

measure() { # NAME
    start "$1"
    [ "$users" = 0 ] || ask "$1" crowd --users "$users" --requests "$requests" -p "$prompt"
    [ "$long" = 0 ] || ask "$1" conversation --users 1 --requests "$turns" --turns "$turns" -p "$long"
    kill "$server" && wait "$server" || true
    server=
}

for ((round = 1; round <= rounds; round++)); do
    for name in $([ $((round % 2)) = 1 ] && tr ' ' '\n' <<< "$programs" || tr ' ' '\n' <<< "$programs" | tac); do
        echo "round $round of $rounds: $name" >&2
        measure "$name"
    done
done

commit=$(git -C "$here" rev-parse HEAD 2> /dev/null || echo unknown)
jq -s --arg date "$(date -u +%F)" --arg commit "$commit" --arg model "${model##*/}" --arg threads "$threads" \
    --arg processor "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)" --arg peer_flags "${peer_flags[*]}" \
    --arg hadal_flags "${hadal_flags[*]}" '
    def median: sort | (.[((length - 1) / 2 | floor)] + .[(length / 2 | floor)]) / 2;
    def of(p; c; f): map(select(.program == p and .case == c) | f) | if length > 0 then median else null end;
    def both(c; f): {hadal: of("hadal"; c; f), peer: of("llama-server"; c; f)};
    . as $all | {$date, $commit, $model, threads: ($threads | tonumber), $processor, $hadal_flags, $peer_flags,
     crowd: {output_tokens_per_second: both("crowd"; .output_tokens_per_second), ttft_p99: both("crowd"; .ttft.p99),
             ttft_p50: both("crowd"; .ttft.p50), tpot_p50: both("crowd"; .tpot.p50)},
     conversation: {first_turn: both("conversation"; .turns[0].ttft.p50), second_turn: both("conversation"; .turns[1].ttft.p50)},
     runs: ($all | map(.model |= sub(".*/"; "")))}' "$work/lines" > "$out"
jq -r 'def ratio(a; b): if a and b then (a / b * 100 | round / 100) else null end;
    .crowd as $c | .conversation as $t |
    "output tokens/s: hadal \($c.output_tokens_per_second.hadal), llama-server \($c.output_tokens_per_second.peer), ratio \(ratio($c.output_tokens_per_second.hadal; $c.output_tokens_per_second.peer))",
    "first token p99: hadal \($c.ttft_p99.hadal) s, llama-server \($c.ttft_p99.peer) s, ratio \(ratio($c.ttft_p99.hadal; $c.ttft_p99.peer))",
    "second turn / first turn: hadal \(ratio($t.second_turn.hadal; $t.first_turn.hadal)) (\($t.second_turn.hadal) s of \($t.first_turn.hadal) s), llama-server \(ratio($t.second_turn.peer; $t.first_turn.peer))"' "$out"
echo "$out" >&2
