#!/usr/bin/env bash
# test_pull.sh - hadal pull from a server of the test's own that serves ranges and redirects, and fails in many ways; kills in
# the middle; -m finds what was pulled.
set -uo pipefail
. tools/report.sh
work=$(mktemp -d)
server=
trap '[ -n "$server" ] && kill $server 2> /dev/null; rm -rf "$work"' EXIT
models=$work/hub/repositories
mkdir -p "$models/org/small" "$models/org/sharded/original" "$models/org/gguf" "$models/org/odd"
"$HADAL" synth --config tests/cli/small_v3.json --type bf16 -o "$models/org/small" > /dev/null || fail "synth"
echo "# a page" > "$models/org/small/README.md"
: > "$models/org/small/chat_template.jinja" # empty, as some are
rm "$models/org/small/chat_template.jinja"
for i in 1 2 3; do head -c 24000000 /dev/urandom > "$models/org/sharded/model-0000$i-of-00003.safetensors"; done
head -c 1000 /dev/urandom > "$models/org/sharded/consolidated.safetensors"
head -c 1000 /dev/urandom > "$models/org/sharded/original/model.safetensors"
echo '{"model_type": "x"}' > "$models/org/sharded/config.json"
: > "$models/org/sharded/merges.txt"
echo '{"weight_map": {"a": "model-00001-of-00003.safetensors", "b": "model-00002-of-00003.safetensors", "c": "model-00003-of-00003.safetensors", "d": "model-00003-of-00003.safetensors"}}' > "$models/org/sharded/model.safetensors.index.json"
for q in Q4_K_M Q8_0; do head -c 5000 /dev/urandom > "$models/org/gguf/m-$q.gguf"; done
head -c 5000 /dev/urandom > "$models/org/gguf/s-Q2_K-00001-of-00002.gguf"
head -c 5000 /dev/urandom > "$models/org/gguf/s-Q2_K-00002-of-00002.gguf"
echo x > "$models/org/odd/pytorch_model.bin"

python3 tests/cli/hub.py "$work/hub" > "$work/port" &
server=$!
for _ in $(seq 1200); do [ -s "$work/port" ] && break; sleep 0.05; done
url=http://127.0.0.1:$(cat "$work/port")
export HF_HUB_CACHE=$work/cache
pull() { "$HADAL" pull --hub "$url" --timeout 5 "$@" 2> "$work/errors"; }
mode() { : > "$work/hub/modes/$1"; [ $# -gt 1 ] && echo "$2" > "$work/hub/modes/$1"; }
usual() { rm -f "$work"/hub/modes/*; }
again() { rm -rf "$work/cache"; : > "$work/hub/log"; usual; }
asked() { grep -c "$1" "$work/hub/log"; }
# expect WHAT FOUND EXPECTED
expect() {
    if [ "$2" = "$3" ]; then pass "$1"; else fail "$1" "$2, expected $3; $(cat "$work/errors")"; fi
}
# same REPOSITORY: every file of the snapshot is the hub's, by links into blobs
same() {
    local snapshot=$work/cache/models--org--$1/snapshots/0123456789abcdef0123456789abcdef01234567 file
    [ -d "$snapshot" ] || return 1
    for file in $(cd "$snapshot" && find . -type l); do
        cmp -s "$snapshot/$file" "$models/org/$1/$file" && [[ $(readlink "$snapshot/$file") == *../../blobs/* ]] || return 1
    done
    [ -z "$(find "$work/cache" -name '*.hadal-*')" ]
}
whole() { if same "$2" && [ "$(cat "$work/cache/models--org--$2/refs/main")" = 0123456789abcdef0123456789abcdef01234567 ]; then pass "$1"; else fail "$1" "$(cat "$work/errors"; find "$work/cache")"; fi; }

# ---- what comes

again
path=$(pull org/small)
whole "a model" small
expect "its path is printed" "$path" "$work/cache/models--org--small/snapshots/0123456789abcdef0123456789abcdef01234567"
expect "only what is needed" "$(find "$path" -name "README*")" ""
expect "large files are named by their SHA-256" "$(basename "$(readlink "$path/model.safetensors")")" "$(sha256sum < "$models/org/small/model.safetensors" | cut -d' ' -f1)"
expect "small ones as git names them" "$(basename "$(readlink "$path/config.json")")" "$( (printf 'blob %d\0' "$(stat -c %s "$models/org/small/config.json")"; cat "$models/org/small/config.json") | sha1sum | cut -d' ' -f1)"
: > "$work/hub/log"
expect "nothing comes twice" "$(pull org/small --json | python3 -c 'import json, sys; j = json.load(sys.stdin); print(j["fetched"], j["files"] > 2)') $(asked resolve)" "0 True 0"
"$HADAL" generate -m org/small --ids 5,6,7 -n 4 --temperature 0 > "$work/a" 2> "$work/errors"
"$HADAL" generate -m "$models/org/small" --ids 5,6,7 -n 4 --temperature 0 > "$work/b" 2>> "$work/errors"
expect "-m finds it by its name" "$(cat "$work/a")" "$(cat "$work/b")"
"$HADAL" inspect org/small@main --json > "$work/a" 2> "$work/errors"
expect "so do commands without -m" "$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["parameters"] > 0)' "$work/a")" "True"
output=$("$HADAL" generate -m org/none -p x 2>&1)
expect "what was not pulled" "$?$(grep -c 'nor a model that was pulled (hadal pull org/none)' <<< "$output")" "11"

pull org/sharded > "$work/out"
whole "shards, as the index names them" sharded
expect "and no others" "$(find "$work/cache/models--org--sharded/snapshots" -name '*.safetensors' | wc -l)" "3"
expect "in ranges of 16 MiB" "$(grep 'store.*00002-of' "$work/hub/log" | grep -c 'bytes=\(0-16777215\|16777216-23999999\) ')" "2"

output=$(pull org/gguf; echo $?)
expect "several GGUF files: which?" "$output$(grep -c 'has 3 .gguf files, choose with --include: m-Q4_K_M.gguf, m-Q8_0.gguf, s-Q2_K' "$work/errors")" "11"
pull org/gguf --include '*Q2_K*' > "$work/out"
whole "all parts of one" gguf
expect "and nothing else" "$(find "$work/cache/models--org--gguf/snapshots" -type l | wc -l)" "2"
expect "a listing" "$(pull org/gguf --include '*Q8*' --dry-run | grep -c '^+ *5000  m-Q8_0.gguf')" "1"

# ---- what a server does

for how in "cut 5000000" norange "busy 3" wrongonce; do
    again
    mode $how
    pull org/sharded --connections 3 > "$work/out"
    whole "$how" sharded
done
again
mode norange
mode cut 5000000
output=$(pull org/sharded; echo $?)
expect "cut answers without ranges end" "$output" "1"
again
mode wrong
output=$(pull org/small; echo $?)
expect "wrong bytes" "$output$(grep -c 'has not the checksum that the hub says, twice' "$work/errors")" "11"
[ ! -e "$work/cache/models--org--small/snapshots" ] && pass "leave no snapshot" || fail "leave no snapshot"
usual
pull org/small > "$work/out"
whole "and are forgotten" small
again
mode short
output=$(pull org/small; echo $?)
expect "another size than listed" "$output$(grep -c 'model.safetensors' "$work/errors")" "11"
again
mode shifted
output=$(pull org/small; echo $?)
expect "another range than asked for" "$output$(grep -c 'another range comes' "$work/errors")" "11"
again
mode private
output=$(pull org/small; echo $?)
expect "a model that asks for a token" "$output$(grep -c 'status 401.*--token' "$work/errors")" "11"
HF_TOKEN=open-sesame pull org/small > "$work/out"
whole "and gets one" small
expect "which goes to the hub alone" "$(grep -c '^store.*Bearer' "$work/hub/log") $(($(grep -c '^hub.*Bearer open-sesame' "$work/hub/log") > 2))" "0 1"
again
mode stuck
"$HADAL" pull --hub "$url" --timeout 1 org/small > "$work/out" 2> "$work/errors" &
job=$!
sleep 2
usual
wait $job
whole "a connection on which nothing comes" small

# ---- killed, wherever it is

again
mode slow
kills=0
for share in 10 30 50; do
    "$HADAL" pull --hub "$url" org/sharded > /dev/null 2>&1 &
    job=$!
    for _ in $(seq 600); do
        kill -0 $job 2> /dev/null || break
        there=$(du -sk "$work/cache" 2> /dev/null | cut -f1)
        [ "${there:-0}" -ge $((70300 * share / 100)) ] && break
        sleep 0.02
    done
    kill -9 $job 2> /dev/null && kills=$((kills + 1))
    wait $job 2> /dev/null
done
[ ! -e "$work/cache/models--org--sharded/snapshots" ] && pass "no snapshot before all is there" || fail "no snapshot before all is there"
usual
: > "$work/hub/log"
pull org/sharded > "$work/out"
whole "killed $kills times" sharded
fetched=$(python3 - "$work/hub/log" << 'END'
import re, sys
print(sum(int(b) - int(a) + 1 for a, b in re.findall(r"store.*bytes=(\d+)-(\d+)", open(sys.argv[1]).read())) < 54e6)
END
)
expect "what was there did not come again" "$fetched" "True"

# ---- refusals

refused() {
    local expected=$1 message=$2 output
    shift 2
    output=$(pull "$@")
    if [ $? = "$expected" ] && [ -z "$output" ] && [ "$(wc -l < "$work/errors")" = 1 ] && grep -qF -- "$message" "$work/errors"; then
        pass "refused: $message"
    else
        fail "refused: $message" "$output$(cat "$work/errors")"
    fi
}
refused 2 "name a model as the hub does"
refused 2 "is no name of a model" ../../etc/passwd
refused 2 "is no name of a model" org/small/file.gguf
refused 1 "is not there (status 404)" org/nosuch
refused 1 "is not there (status 404)" org/small@v2
refused 1 "has no weights in safetensors or GGUF" org/odd
refused 1 "no file matches --include *.nosuch" org/small --include '*.nosuch'
refused 2 "write http://HOST" org/small --hub ftp://127.0.0.1
report_end
