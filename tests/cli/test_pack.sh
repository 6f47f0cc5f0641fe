#!/usr/bin/env bash
# test_pack.sh - --pack and --cache-dir: the file appears where it was asked for, is found again and can be checked; the
# answer is the same wherever the weights are; inspect says what becomes of each type.
set -uo pipefail
. tools/report.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export XDG_CACHE_HOME=$work/home

"$HADAL" synth --config tests/cli/small_v3.json --type q8_0 -o "$work/model.gguf" > /dev/null 2>&1
generate() { "$HADAL" generate -m "$work/model.gguf" --ids 5,6,7 -n 8 --threads 1 "$@" 2> "$work/errors"; }

expected=$(generate --pack memory)
for way in "--pack auto" "--pack file" "--pack file" "--pack file --cache-dir $work/own"; do
    # shellcheck disable=SC2086
    answer=$(generate $way)
    if [ -n "$answer" ] && [ "$answer" = "$expected" ] && [ ! -s "$work/errors" ]; then
        pass "$way answers as --pack memory"
    else
        fail "$way answers as --pack memory" "$answer, not $expected; $(cat "$work/errors")"
    fi
done
if generate --pack off > /dev/null; then pass "--pack off runs"; else fail "--pack off runs" "$(cat "$work/errors")"; fi

if generate --pack file --cache-dir "" > /dev/null || ! grep -q 'cache directory' "$work/errors"; then
    # Processors without integer products arrange nothing.
    if [ -n "$(find "$work/own" -name '*.hadal' 2> /dev/null)" ]; then
        fail "--pack file needs a directory" "$(cat "$work/errors")"
    fi
else
    pass "--pack file needs a directory"
fi

cache=$(find "$work/own" -name '*.hadal' 2> /dev/null)
if [ -n "$cache" ]; then
    if ls "$work"/home/hadal/weights/model-*.hadal > /dev/null 2>&1; then
        pass "the default directory is the user's"
    else
        fail "the default directory is the user's" "$(find "$work/home")"
    fi
    text=$("$HADAL" check --cache "$cache" 2>&1)
    case $text in *"ok, "*" matrices of $work/model.gguf"*) pass "check --cache passes" ;; *) fail "check --cache passes" "$text" ;; esac
    printf 'x' | dd of="$cache" bs=1 seek=$(($(stat -c %s "$cache") / 2)) conv=notrunc 2> /dev/null
    text=$("$HADAL" check --cache "$cache" 2>&1)
    status=$?
    if [ $status = 1 ] && grep -q 'damaged' <<< "$text"; then
        pass "check --cache finds damage"
    else
        fail "check --cache finds damage" "status $status: $text"
    fi
fi

text=$("$HADAL" inspect "$work/model.gguf")
if grep -q 'q8_0 .* i8 panels, exactly' <<< "$text"; then pass "inspect names panels"; else fail "inspect names panels" "$text"; fi
json=$("$HADAL" inspect "$work/model.gguf" --json)
if grep -q '"dtype":"q8_0",[^}]*"panels":"i8","exact":true' <<< "$json"; then
    pass "inspect --json names panels"
else
    fail "inspect --json names panels" "${json:0:600}"
fi
report_end
