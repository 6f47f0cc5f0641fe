#!/usr/bin/env bash
# train_compare.sh - training steps of one small DeepSeek-V3-architecture model (train-v3-6m.json) by hadal and by PyTorch on
# the CPU in bfloat16 (train_pytorch.py), in turns. Prints both medians in tokens per second and their ratio, and writes all
# samples as JSON. Text and tokenizer are of no matter for the speed: hadal reads this repository's documents.
#
#   THREADS="1 2"  ROUNDS=2  STEPS=4   each round runs both once for every number of threads; the first step is left out
#   SEQUENCES=8  ROWS=512  MICRO=8     tokens of a step, and sequences that go through the model together
#   TOKENIZER=DIR                      a directory with a tokenizer of at most 1024 tokens
#   PYTHON=/usr/bin/python3            has torch (Debian: python3-torch)
#   OUT=train_compare.json  HADAL=build/hadal
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
hadal=${HADAL:-$here/../build/hadal} python=${PYTHON:-/usr/bin/python3} out=${OUT:-train_compare.json}
threads=${THREADS:-1 2} rounds=${ROUNDS:-2} steps=${STEPS:-4}
sequences=${SEQUENCES:-8} rows=${ROWS:-512} micro=${MICRO:-8} config=$here/train-v3-6m.json
tokenizer=${TOKENIZER:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

stop() {
    echo "train_compare.sh: $1" >&2
    exit 1
}
[ $# = 0 ] || {
    echo "usage: bench/train_compare.sh" >&2
    exit 2
}
[ -x "$hadal" ] || stop "$hadal: no program; run make"
[ -n "$tokenizer" ] || stop "TOKENIZER says which tokenizer of at most 1024 tokens"
"$python" -c 'import torch' 2> /dev/null || stop "$python has no torch"
cat "$here"/../docs/*.md "$here"/../*.md > "$work/text.txt"

run_hadal() { # THREADS
    rm -rf "$work/run"
    "$hadal" train pretrain --config "$config" --tokenizer "$tokenizer" --data "$work/text.txt" --steps "$steps" \
        --sequence "$rows" --batch "$sequences" --micro-batch "$micro" --threads "$1" --log-every 1 --save-every 0 -o "$work/run"
}
run_pytorch() {
    "$python" "$here/train_pytorch.py" "$config" "$sequences" "$rows" "$steps" "$1" bf16 "$micro"
}
samples() { # of the steps after the first
    sed -n 's|^step .* \([0-9]*\) tokens/s$|\1|p' | tail -n +2
}
for ((round = 0; round < rounds; round++)); do
    for t in $threads; do
        for who in hadal pytorch; do
            run_$who "$t" 2> "$work/errors" | samples > "$work/samples" || stop "$who fails: $(cat "$work/errors")"
            sed "s/^/$who $t /" "$work/samples" >> "$work/all"
        done
    done
done
commit=$(git -C "$here" rev-parse --short HEAD 2> /dev/null || echo unknown)
"$python" - "$work/all" "$out" "$commit" "$sequences x $rows tokens a step, $micro sequences together" << 'END'
import datetime, json, re, statistics, sys, torch
samples = {}
for line in open(sys.argv[1]):
    who, threads, speed = line.split()
    samples.setdefault(int(threads), {}).setdefault(who, []).append(int(speed))
for threads, of in samples.items():
    h, p = (statistics.median(of[who]) for who in ("hadal", "pytorch"))
    print(f"{threads} threads: hadal {h:.0f} ({min(of['hadal'])} .. {max(of['hadal'])}), "
          f"pytorch {p:.0f} ({min(of['pytorch'])} .. {max(of['pytorch'])}) tokens/s, ratio {h / p:.2f}")
processor = re.search("model name\\s*: (.*)", open("/proc/cpuinfo").read()).group(1)
results = [{"program": who, "test": "train", "threads": threads, "tokens_per_second": of[who],
            "median": statistics.median(of[who])} for threads, of in samples.items() for who in sorted(of)]
json.dump({"commit": sys.argv[3], "date": datetime.date.today().isoformat(), "processor": processor,
           "model": "bench/train-v3-6m.json", "settings": sys.argv[4], "peer": "PyTorch " + torch.__version__ + ", bfloat16 autocast",
           "results": results}, open(sys.argv[2], "w"), indent=1)
END
