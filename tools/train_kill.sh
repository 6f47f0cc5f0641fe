#!/usr/bin/env bash
# train_kill.sh HADAL [KILLS] - a run of training that is killed at random moments, KILLS times (20), and goes on each time ends
# with the bits of the run that was not; whatever it had saved when it was killed loads. Prints what differs; 0 when nothing does.
set -euo pipefail
[ $# -ge 1 ] || {
    echo "usage: tools/train_kill.sh HADAL [KILLS]" >&2
    exit 2
}
hadal=$1 kills=${2:-20}
here=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill -9 "$pid" 2> /dev/null; rm -rf "$work"' EXIT

sed 's/"vocab_size": 500/"vocab_size": 1000/' "$here/tests/cli/small_v3.json" > "$work/config.json"
"$hadal" synth --config "$work/config.json" --type f32 -o "$work/model" > /dev/null
for i in $(seq 400); do echo "{\"text\": \"text number $i says that $((i * 7)) is seven times $i\"}"; done > "$work/data.jsonl"
train() { # RUN
    exec "$hadal" train pretrain --config "$work/config.json" --tokenizer "$work/model" --data "$work/data.jsonl" --valid "$work/data.jsonl" \
        --valid-every 20 --keep-best --steps 60 --sequence 64 --batch 4 --micro-batch 2 --lr 1e-3 --save-every 3 --resume auto -o "$work/$1"
}
stop() {
    echo "train_kill.sh: $1" >&2
    exit 1
}

(train whole) > /dev/null || stop "the whole run fails"
done=0
while [ $done -lt "$kills" ]; do
    (train killed) > "$work/out" 2>&1 &
    pid=$!
    sleep "$(printf '0.%03d' $((RANDOM % 900 + 50)))"
    kill -9 $pid 2> /dev/null || true
    wait $pid 2> /dev/null && rm -rf "$work/killed" # it was through: once more from the beginning
    pid=
    done=$((done + 1))
    [ ! -e "$work/killed/latest" ] || "$hadal" generate -m "$work/killed/latest" -p text -n 1 > /dev/null || stop "what was left after kill $done does not load"
done
(train killed) > /dev/null || stop "the last part fails"
for file in model.safetensors trainer/optimizer.safetensors; do
    cmp "$work/whole/latest/$file" "$work/killed/latest/$file" || stop "$file differs after $kills kills"
done
[ "$(readlink "$work/whole/best")" = "$(readlink "$work/killed/best")" ] || stop "another step is the best"
echo "killed $kills times: every bit is that of the run that was not"
