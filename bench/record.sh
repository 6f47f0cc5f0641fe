#!/usr/bin/env bash
# record.sh MODELS LLAMA_BENCH IK_LLAMA_BENCH - the records that docs/BENCHMARKS.md shows: every model of the list below,
# which must lie in the folder MODELS, in turns with both peers (bench/compare.sh), and the machine's own ceilings.
# Pieces in order of weight; each is one file in bench/results. A piece that is there for this commit is not measured
# again, so that a run that was stopped goes on; FORCE=1 measures all. "-" instead of a peer leaves it out.
#
#   BUDGET=10800   seconds after which no further piece begins; LIMIT=1800 for one run of either program
#   PARTS="short long deep batch"    MATCH=PATTERN of the models (v2-lite*)    THREADS=2    ROUNDS=3
# A peer that cannot run something is reported in its own words, here and in the tables.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# = 3 ] || {
    echo "usage: bench/record.sh MODELS LLAMA_BENCH IK_LLAMA_BENCH" >&2
    exit 2
}
folder=$1
peers=("llama.cpp=$2" "ik_llama.cpp=$3")
models=(v2-lite-q4_k_m v2-lite-q8_0 v3-2layers-q4_k_m qwen-1.5b-q8_0 qwen-1.5b-q4_0 qwen-1.5b-bf16
    v2-lite-8layers-q4_k_m v2-lite-8layers-q8_0)
export LIMIT=${LIMIT:-1800} THREADS=${THREADS:-2} HADAL=${HADAL:-build/hadal}
results=${RESULTS:-bench/results} commit=$(git rev-parse HEAD) ends=$((SECONDS + ${BUDGET:-10800}))
[ -z "$(git status --porcelain -- src include Makefile)" ] || echo "record.sh: the tree is modified; the records will say so" >&2
mkdir -p "$results"

# wanted FILE: is there time, and no such record yet?
wanted() {
    [ -n "${FORCE:-}" ] || ! [ -f "$1" ] || [ "$(jq -r .commit "$1")" != "$commit" ] || return 1
    ((SECONDS < ends)) && return 0
    echo "record.sh: left out for want of time: $1" >&2
    return 1
}

# compare MODEL PART: with each peer
compare() {
    local peer out
    for peer in "${peers[@]}"; do
        [ "${peer#*=}" != - ] || continue
        out=$results/$1.${peer%%=*}.$2.json
        if wanted "$out"; then OUT=$out bench/compare.sh "${peer#*=}" "$folder/$1.gguf" || echo "record.sh: $out is not whole" >&2; fi
    done
}

measure() { # MODEL PART
    case $2 in
        short) PREFILL=512 DECODE=64 DEPTHS=0 ROUNDS=${ROUNDS:-3} compare "$1" short ;;
        long) PREFILL=2048 DECODE=32 DEPTHS=4096 ROUNDS=${ROUNDS:-3} compare "$1" long ;;
        deep) PREFILL='' DECODE=32 DEPTHS=16384 ROUNDS=1 REPEAT=3 compare "$1" deep ;;
        batch)
            case $1 in v2-lite*)
                if wanted "$results/$1.batch.json"; then
                    RESULTS=$results bench/record_one.sh "$1.batch" -m "$folder/$1.gguf" --test decode -d 0,4096 -b 1,8 -n 32 -t "$THREADS"
                fi
                ;;
            esac
            ;;
    esac
}

if wanted "$results/machine.json"; then RESULTS=$results bench/record_one.sh machine machine -t "$THREADS"; fi
for part in ${PARTS:-short long deep batch}; do
    for model in "${models[@]}"; do
        [[ $model == ${MATCH:-*} ]] || continue
        if [ -f "$folder/$model.gguf" ]; then measure "$model" "$part"; else echo "record.sh: no $folder/$model.gguf" >&2; fi
    done
done
if "$HADAL" bench plot "$results"/*.json -o "$results/speed.svg"; then echo "$results/speed.svg" >&2; fi
