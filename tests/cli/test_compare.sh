#!/usr/bin/env bash
# test_compare.sh - the scripts around hadal bench: what they make of a llama-bench's output, what they refuse, and that
# the tables of docs/BENCHMARKS.md are those of the records. Never how fast.
set -uo pipefail
. tools/report.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# refused STATUS MESSAGE COMMAND...
refused() {
    local expected=$1 message=$2 output
    shift 2
    output=$("$@" 2> "$work/errors" < /dev/null)
    if [ $? = "$expected" ] && [ -z "$output" ] && grep -qF -- "$message" "$work/errors"; then
        pass "refused: $message"
    else
        fail "refused: $message" "$output$(cat "$work/errors")"
    fi
}

refused 2 "usage: bench/compare.sh" bench/compare.sh
refused 2 "usage: bench/record.sh" bench/record.sh models
refused 2 "usage: bench/record_one.sh" bench/record_one.sh
refused 2 "usage: bench/models.sh" bench/models.sh
if ! command -v jq > /dev/null; then
    skip "the scripts need jq"
    report_end
    exit
fi
refused 1 "compare.sh: /nonexistent: no program" bench/compare.sh /nonexistent model.gguf
refused 1 "compare.sh: /bin/true: neither llama.cpp's llama-bench nor ik_llama.cpp's" bench/compare.sh /bin/true model.gguf

found=$(jq -c -f bench/llama_bench.jq tests/golden/llama_bench/llama.cpp.json |
    jq -s -c 'map([.test, .tokens, .depth, .batch, .threads, (.tokens_per_second | length), .model, .build, .kv_type])')
expected='[["prefill",64,0],["decode",8,0],["prefill",64,128],["decode",8,128]]'
expected=$(jq -c 'map(. + [1, 2, 2, "v2-lite-8layers-q4_k_m.gguf", "de3ff81 (1)", "f16"])' <<< "$expected")
[ "$found" = "$expected" ] && pass "tests of a llama-bench" || fail "tests of a llama-bench" "$found, expected $expected"

# The program's own speeds have six digits.
found=$(jq -c -f bench/llama_bench.jq tests/golden/llama_bench/llama.cpp.json | jq -s --slurpfile theirs tests/golden/llama_bench/llama.cpp.json \
    '[[.[].tokens_per_second[]], [$theirs[0][].samples_ts[]]] | transpose | map((.[0] / .[1] - 1) | fabs < 1e-4) | all')
[ "$found" = true ] && pass "speeds of a llama-bench" || fail "speeds of a llama-bench" "$found"

printf '%s\n' '{"program":"hadal","round":1,"test":"decode","tokens":8,"depth":0,"threads":2,"model":"m","tokens_per_second":[10],"median":10,"read_share":0.5,"peak":"int8"}' \
    '{"program":"hadal","round":2,"test":"decode","tokens":8,"depth":0,"threads":2,"model":"m","tokens_per_second":[14],"median":14,"read_share":0.7}' \
    '{"program":"hadal","round":3,"test":"decode","tokens":8,"depth":0,"threads":2,"model":"m","tokens_per_second":[12],"median":12,"read_share":0.6}' \
    '{"program":"other","round":1,"test":"decode","tokens":8,"depth":0,"threads":2,"model":"m","tokens_per_second":[4,5]}' \
    '{"program":"other","round":1,"test":"prefill","tokens":8,"depth":0,"threads":2,"model":"m","tokens_per_second":[1]}' > "$work/lines"
jq -s -c --arg peer other -f bench/compare.jq "$work/lines" > "$work/joined"
found=$(jq -c '[.ratios[] | [.test, .depth, .peer, (.ratio * 1000 | round), .low, .high]]' "$work/joined")
[ "$found" = '[["decode",0,"other",2667,2,3.5]]' ] && pass "ratios of medians, with their spread" || fail "ratios of medians, with their spread" "$found"
found=$(jq -c '[.results[] | [.program, .test, .median, (.tokens_per_second | length)]]' "$work/joined")
[ "$found" = '[["other","prefill",1,1],["hadal","decode",12,3],["other","decode",4.5,2]]' ] && pass "samples of all rounds" || fail "samples of all rounds" "$found"
found=$(jq '.results[1].read_share * 1000 | round' "$work/joined")
[ "$found" = 600 ] && pass "a share is that of the median" || fail "a share is that of the median" "$found"

# A peer that runs prompts and cannot do anything else: what it cannot is told, once, and the rest is compared.
"$HADAL" synth --config tests/cli/small_v3.json --type q8_0 -o "$work/small.gguf" > /dev/null 2>&1
cat > "$work/peer" <<'PEER'
#!/usr/bin/env bash
case "$*" in
    *--help*) echo "  --n-depth  -gp <pp,tg>" ;;
    *"-n 0"*-p*|*-p*"-n 0"*) case "$*" in *-gp*) echo "error loading model: a tensor is missing" >&2; exit 3 ;; esac
        echo '[{"n_prompt":16,"n_gen":0,"n_threads":1,"samples_ns":[1000000],"model_filename":"small.gguf","build_commit":"x","build_number":1,"type_k":"f16"}]' ;;
    *) echo "error loading model: a tensor is missing" >&2; echo "main: sorry" >&2; exit 3 ;;
esac
PEER
chmod +x "$work/peer"
PREFILL=16 DECODE=4 DEPTHS="0 32" THREADS=1 ROUNDS=2 OUT=$work/compared.json PEER_FLAGS='' XDG_CACHE_HOME=$work/home \
    bench/compare.sh "$work/peer" "$work/small.gguf" > "$work/output" 2> "$work/errors"
status=$?
found=$(jq -c '[[.failed[] | [.model, .peer, .reason]], [.ratios[] | [.test, .tokens]], [.results[] | [.program, .test, .depth]]]' "$work/compared.json")
expected='[[["small.gguf","ik_llama.cpp","exit status 3: main: sorry (error loading model: a tensor is missing)"]],[["prefill",16]],[["hadal","prefill",0],["ik_llama.cpp","prefill",0],["hadal","decode",0],["hadal","decode",32]]]'
if [ $status = 1 ] && [ "$found" = "$expected" ] && [ "$(grep -c 'cannot run' "$work/errors")" = 1 ]; then
    pass "what a peer cannot run is told once"
else
    fail "what a peer cannot run is told once" "status $status: $found $(cat "$work/errors")"
fi
mkdir -p "$work/records"
cp "$work/compared.json" "$work/records/small.json"
found=$(RESULTS=$work/records bench/table.sh)
if grep -q '^| small | prefill 16 | .* | \*\*' <<< "$found" && grep -q '^| small | decode 4 at 32 | .* | - | - | - |' <<< "$found" &&
    grep -q '^| small | ik_llama.cpp | .*sorry' <<< "$found"; then
    pass "the tables show what a peer cannot run"
else
    fail "the tables show what a peer cannot run" "$found"
fi

for record in bench/results/*.json; do
    jq -e '.commit and .date and .processor and (.results | length > 0) and ([.results[] | (.tokens_per_second // .samples) | length > 0] | all)' "$record" > /dev/null ||
        fail "$record has commit, date, processor and samples"
done
pass "records are whole"
diff <(bench/table.sh) <(sed -n '/^<!-- tables: /,/^<!-- end of the tables -->/p' docs/BENCHMARKS.md | sed '1d;$d') > "$work/difference" &&
    pass "the page shows the records" || fail "the page shows the records: run bench/table.sh --write" "$(cat "$work/difference")"
report_end
