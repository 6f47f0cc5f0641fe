#!/usr/bin/env bash
# models.sh FOLDER - writes the models that bench/record.sh measures: random weights in the shapes and formats of
# published ones, 51 GB. What is there already stays; MATCH=PATTERN chooses among them (qwen*). The shapes are cut to few
# layers where the speed of the whole follows from them: of V3 one layer with a dense feed-forward and one with experts,
# and 8 of the 27 of V2-Lite beside the whole. ik_llama.cpp takes that shape at its true number of layers alone: it knows
# by it that there is no q_lora_rank.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# = 1 ] || {
    echo "usage: bench/models.sh FOLDER" >&2
    exit 2
}
hadal=${HADAL:-build/hadal}
mkdir -p "$1"

synth() { # NAME TYPE OPTIONS...
    local file=$1/$2.gguf
    [[ $2 == ${MATCH:-*} ]] || return 0
    [ -f "$file" ] || "$hadal" synth --type "$3" -o "$file" "${@:4}"
}

synth "$1" v2-lite-q4_k_m q4_k_m --like deepseek-v2-lite
synth "$1" v2-lite-q8_0 q8_0 --like deepseek-v2-lite
synth "$1" v2-lite-8layers-q4_k_m q4_k_m --like deepseek-v2-lite --layers 8
synth "$1" v2-lite-8layers-q8_0 q8_0 --like deepseek-v2-lite --layers 8
synth "$1" v3-2layers-q4_k_m q4_k_m --config bench/v3-2layers.json
synth "$1" qwen-1.5b-q8_0 q8_0 --like r1-distill-qwen-1.5b
synth "$1" qwen-1.5b-q4_0 q4_0 --like r1-distill-qwen-1.5b
synth "$1" qwen-1.5b-bf16 bf16 --like r1-distill-qwen-1.5b
