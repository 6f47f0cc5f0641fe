#!/usr/bin/env bash
# run.sh [OUT [SEED]] - reasoning out of nothing but rewards, in a few minutes on two cores; see README.md beside it. Ends with
# status 1 when a figure is not what it should be. From the repository's root, after make all recipes.
set -euo pipefail
out=${1:-zero}
seed=${2:-1}
hadal=${HADAL:-build/hadal}
parity=${PARITY:-build/zero-parity}
here=$(dirname "$0")
bits=16
mkdir -p "$out"

# One answer in five of what is read thinks first. Questions that are learnt from and those that are asked at the end differ.
"$parity" texts "${seed}1" 80000 $bits 0.2 > "$out/texts.jsonl"
"$parity" tasks "${seed}2" 4000 $bits > "$out/tasks.jsonl"
"$parity" tasks "${seed}3" 512 $bits > "$out/held-out.jsonl"

read_texts() {
    "$hadal" train pretrain --config "$here/config.json" --tokenizer "$here/tokenizer" --data "$out/texts.jsonl" --sequence 256 \
        --batch 16 --lr 3e-3 --deviation 0.1 --seed "$seed" --save-every 0 --log-every 100 "$@"
}
rewards() {
    "$hadal" train grpo --plain --data "$out/tasks.jsonl" --valid "$out/held-out.jsonl" --answer-tokens 24 --batch 32 --group 8 \
        --lr 2e-4 --lr-floor 1e-5 --schedule cosine --warmup 5 --weight-decay 0 --refill 0 --seed "$seed" --save-every 0 --log-every 10 "$@"
}
# Share of right answers, or mean length, of the likeliest answers after step N, in percent or tokens.
held_out() {
    awk -v step="$2" -v want="$3" '/held-out tasks/ && $2 == step { gsub("[%,]", ""); print want == "right" ? $6 : $8 }' "$1"
}

rm -rf "$out/base" "$out/more" "$out/zero" "$out/control"
echo "== reading"
read_texts --steps 700 -o "$out/base"
echo "== rewards"
rewards --init "$out/base/latest" --steps 60 --valid-every 10 -o "$out/zero" | tee "$out/zero.txt"
echo "== control: reading on instead"
read_texts --init "$out/base/latest" --steps 700 --lr 1e-3 -o "$out/more"
rewards --init "$out/more/latest" --steps 1 --lr 0 -o "$out/control" | tee "$out/control.txt"
"$hadal" train plot "$out/zero" -o "$out/zero.svg" || true

before=$(held_out "$out/zero.txt" 0 right)
after=$(held_out "$out/zero.txt" 60 right)
short=$(held_out "$out/zero.txt" 0 length)
long=$(held_out "$out/zero.txt" 60 length)
control=$(held_out "$out/control.txt" 0 right)
echo "== seed $seed: right $before% -> $after%, length $short -> $long, control $control%"
awk -v b="$before" -v a="$after" -v s="$short" -v l="$long" -v c="$control" \
    'BEGIN { exit !(b <= 55 && a >= 98 && l >= 3 * s && c <= 60) }' || {
    echo "that is not what it should be: at most 55, at least 98, three times as long, control at most 60"
    exit 1
}
