#!/usr/bin/env bash
# test_adapters.sh - low-rank adapters: tuning with them goes on bit for bit after it was killed, leaves a PEFT directory, and
# merge makes the model that was tuned; rewards work with them; what cannot be adapted is refused.
set -uo pipefail
. tools/report.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

sed 's/"vocab_size": 500/"vocab_size": 1000/' tests/cli/small_v3.json > "$work/config.json"
"$HADAL" synth --config "$work/config.json" --type f32 -o "$work/model" > /dev/null || exit 1
for i in $(seq 300); do
    echo "{\"messages\": [{\"role\": \"user\", \"content\": \"seven times $i\"}, {\"role\": \"assistant\", \"content\": \"$((i * 7))\"}]}"
done > "$work/talk.jsonl"
tune=(sft --init "$work/model" --template deepseek-r1 --data "$work/talk.jsonl" --valid "$work/talk.jsonl" --sequence 64
    --batch 4 --micro-batch 2 --steps 12 --lr 1e-2 --threads 2 --save-every 3 --valid-every 6 --lora 4)

"$HADAL" train "${tune[@]}" -o "$work/whole" > "$work/out" 2> "$work/errors" || fail "sft --lora" "$(cat "$work/errors")"
"$HADAL" train "${tune[@]}" -o "$work/killed" > "$work/out" 2> "$work/errors" &
pid=$!
for _ in $(seq 1200); do
    [ -e "$work/killed/latest" ] && break
    kill -0 $pid 2> /dev/null || break
    sleep 0.02
done
kill -9 $pid 2> /dev/null
wait $pid 2> /dev/null
"$HADAL" train "${tune[@]}" -o "$work/killed" --resume auto > "$work/out" 2> "$work/errors"
falls=$(python3 -c '
import json, sys
loss = [row["valid_loss"] for row in map(json.loads, open(sys.argv[1])) if "valid_loss" in row]
print(len(loss) == 2 and loss[1] < loss[0])' "$work/whole/metrics.jsonl")
if [ "$falls" = True ] && cmp -s "$work/whole/latest/adapter_model.safetensors" "$work/killed/latest/adapter_model.safetensors"; then
    pass "adapters learn, and go on bit for bit after a kill"
else
    fail "adapters learn, and go on bit for bit after a kill" "$falls $(cat "$work/errors")"
fi

# What PEFT has: names, shapes and numbers.
if python3 - "$work/whole/latest" > "$work/out" 2>&1 << 'EOF'; then
import json, struct, sys
config = json.load(open(sys.argv[1] + "/adapter_config.json"))
with open(sys.argv[1] + "/adapter_model.safetensors", "rb") as file:
    header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
header.pop("__metadata__", None)
assert config["peft_type"] == "LORA" and config["r"] == 4 and config["lora_alpha"] == 8, config
for name, tensor in header.items():
    assert name.startswith("base_model.model.model.layers.") and ".experts." not in name.replace("shared_experts", ""), name
    side = 0 if name.endswith(".lora_A.weight") else 1 if name.endswith(".lora_B.weight") else None
    assert tensor["shape"][side] == 4 and any(name.rsplit(".lora_", 1)[0].endswith("." + t) for t in config["target_modules"]), name
assert len(header) >= 10
EOF
    pass "it leaves a PEFT directory"
else
    fail "it leaves a PEFT directory" "$(cat "$work/out")"
fi

"$HADAL" train merge --init "$work/model" --adapter "$work/whole/latest" -o "$work/merged" > "$work/out" 2> "$work/errors" || fail "merge" "$(cat "$work/errors")"

# A run of one step with a rate of 0 evaluates what it begins with: adapters beside the model, or the model of both.
at_rest() {
    "$HADAL" train sft "$@" --template deepseek-r1 --data "$work/talk.jsonl" --valid "$work/talk.jsonl" --sequence 64 --batch 2 \
        --steps 1 --lr 0 -o "$work/rest" > /dev/null 2> "$work/errors"
    python3 -c 'import json, sys; print([row["valid_loss"] for row in map(json.loads, open(sys.argv[1])) if "valid_loss" in row][0])' "$work/rest/metrics.jsonl"
    rm -rf "$work/rest"
}
bare=$(at_rest --init "$work/model") beside=$(at_rest --init "$work/model" --adapter "$work/whole/latest") both=$(at_rest --init "$work/merged")
if python3 -c 'import sys; bare, beside, both = map(float, sys.argv[1:]); sys.exit(not (both < 0.99 * bare and abs(beside - both) < 1e-4 * both))' "$bare" "$beside" "$both"; then
    pass "the merged model is what was learnt"
else
    fail "the merged model is what was learnt" "$bare bare, $beside beside the model, $both of both: $(cat "$work/errors")"
fi

# rewards
for i in $(seq 40); do echo "{\"prompt\": \"seven times $i\", \"answer\": \"$((i % 9))\"}"; done > "$work/tasks.jsonl"
if "$HADAL" train grpo --init "$work/model" --template deepseek-r1 --lora 2 --lora-target q_b_proj --lora-target o_proj --kl 0.1 \
    --data "$work/tasks.jsonl" --verifier numeric --batch 2 --group 4 --answer-tokens 8 --steps 2 --threads 2 -o "$work/rewarded" > "$work/out" 2> "$work/errors" &&
    [ -s "$work/rewarded/latest/adapter_model.safetensors" ]; then
    pass "rewards with adapters"
else
    fail "rewards with adapters" "$(cat "$work/out" "$work/errors")"
fi

# refused STATUS MESSAGE ARGUMENTS...
refused() {
    local expected=$1 message=$2 status
    shift 2
    "$HADAL" train "$@" > "$work/out" 2> "$work/errors"
    status=$?
    if [ $status = "$expected" ] && grep -qF -e "$message" "$work/errors"; then pass "refused: $message"; else fail "refused: $message" "status $status: $(cat "$work/errors")"; fi
}
refused 2 "ends the name of no matrix" "${tune[@]}" -o "$work/none" --lora-target lm_head
refused 2 "the directory says rank" "${tune[@]}" -o "$work/none" --adapter "$work/whole/latest"
refused 1 "already" "${tune[@]}" -o "$work/whole"
refused 2 "--adapter DIR" merge --init "$work/model" -o "$work/none"
cp -r "$work/whole/latest/" "$work/odd"
sed -i 's/"use_dora": false/"use_dora": true/' "$work/odd/adapter_config.json"
refused 1 "use_dora is not supported" merge --init "$work/model" --adapter "$work/odd" -o "$work/none"
sed -i 's/"use_dora": true/"use_dora": false, "layer_replication": [[0, 1]]/' "$work/odd/adapter_config.json"
refused 1 "layer_replication is not supported" merge --init "$work/model" --adapter "$work/odd" -o "$work/none"
sed -i 's/, "layer_replication": \[\[0, 1\]\]//; s/"target_modules": \[/&"lm_head", /' "$work/odd/adapter_config.json"
refused 1 "odd/adapter_config.json" merge --init "$work/model" --adapter "$work/odd" -o "$work/none"
sed -i 's/"lm_head", //; s/"r": 4/"r": 5/' "$work/odd/adapter_config.json"
refused 1 "must be [5," merge --init "$work/model" --adapter "$work/odd" -o "$work/none"
head -c 2000 "$work/whole/latest/adapter_model.safetensors" > "$work/odd/adapter_model.safetensors"
refused 1 "adapter_model.safetensors" merge --init "$work/model" --adapter "$work/odd" -o "$work/none"
[ ! -e "$work/none" ] && [ ! -e "$work/none.partial" ] && pass "nothing is left of what was refused" || fail "nothing is left of what was refused"
report_end
