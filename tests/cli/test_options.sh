#!/usr/bin/env bash
# test_options.sh - the binary as a user meets it before any model: help, versions, mistakes, exit status, settings.
set -uo pipefail
. tools/report.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# run STATUS ARGUMENTS...: runs hadal, keeps $output and $errors, and fails when the exit status is another one.
run() {
    local expected=$1 status
    shift
    "$HADAL" "$@" > "$work/output" 2> "$work/errors" < /dev/null
    status=$?
    output=$(cat "$work/output") errors=$(cat "$work/errors")
    [ "$status" = "$expected" ] || {
        fail "hadal $* ends with $expected" "status $status: $errors"
        return 1
    }
}

# refused STATUS MESSAGE ARGUMENTS...: nothing on standard output, one line with MESSAGE on standard error.
refused() {
    local status=$1 message=$2
    shift 2
    run "$status" "$@" || return
    if [ -z "$output" ] && [ "$(wc -l < "$work/errors")" = 1 ] && [[ $errors == *"$message"* ]]; then
        pass "refused: $message"
    else
        fail "refused: $message" "$output$errors"
    fi
}

# shows TEXT...: the last output holds each text.
shows() {
    local what=$1 text
    shift
    for text in "$@"; do
        [[ $output == *"$text"* ]] || {
            fail "$what" "missing: $text"
            return
        }
    done
    pass "$what"
}

commands=(chat generate logits tokenize detokenize render inspect synth check bench)

run 0 && shows "no arguments: the overview" "hadal COMMAND" "${commands[@]}" "Exit status"
overview=$output
for form in --help -h help; do
    run 0 "$form" && { [ "$output" = "$overview" ] && pass "$form is the overview" || fail "$form is the overview"; }
done
run 0 --version && shows "version" "hadal $(sed -n 's/^.define HADAL_VERSION "\(.*\)"/\1/p' src/base/version.h)"

for command in "${commands[@]}"; do
    run 0 "$command" --help && shows "$command --help" "hadal $command - " "Usage" "Description" "Options" "Examples" \
        " hadal $command" "Environment and files" "Exit status" "--help" "--config-file FILE"
    page=$output
    run 0 help "$command" && { [ "$output" = "$page" ] && pass "help $command is the same" || fail "help $command"; }
    long=$(printf '%s\n' "$page" | awk 'length > 80' | grep -v '^ *hadal \|^      ' || true)
    clean "$command --help fits 80 columns" "$long"
done
run 0 generate --help
shows "help has ranges, choices and defaults" "Range: 0 to 16777216. Default: 256." "One of: scalar, avx2" \
    "May be given several times."

refused 2 "unknown command 'genrate'; did you mean generate?" genrate
refused 2 "unknown command 'xyzzy'" xyzzy
refused 2 "unknown command 'chatt'; did you mean chat?" help chatt
refused 2 "the command comes first" -m x generate
refused 2 "hadal generate: unknown option --temprature; did you mean --temperature?" generate --temprature 1
refused 2 "unknown option --prompt; it belongs to chat, generate" bench --prompt x
refused 2 "unexpected argument 'b' (hadal inspect MODEL" inspect a b
refused 2 "--tokens needs a value" generate --tokens
refused 2 "-n: 'many' is not a whole number" generate -n many
refused 2 "unknown option --?[31m" chat "$(printf -- '--\033[31m')"
refused 2 "--cpu: 'mmx' is none of: scalar avx2 avx512 amx auto" check --cpu mmx

# actions have options of their own
for action in pretrain sft grpo distill sample tokenizer plot; do
    run 0 help train $action
    page=$output
    run 0 train $action --help
    [ "$output" = "$page" ] && grep -q "^hadal train $action - " <<< "$page" && pass "train $action has a page of its own" || fail "train $action has a page of its own"
    clean "help train $action fits 80 columns" "$(awk 'length > 80' <<< "$page" | grep -vE '^ *(mpirun -n [0-9]+ )?hadal ' || true)"
done
refused 2 "sft takes no --kl; that belongs to grpo" train sft --init x --data y -o z --kl 1
run 0 help train sft
clean "train sft does not tell of rewards" "$(grep -e '--clip-low' <<< "$output" || true)"

# settings
mkdir -p "$XDG_CONFIG_HOME/hadal"
printf 'threads = 2\n[bench]\nrepaet = 3\n' > "$XDG_CONFIG_HOME/hadal/config"
refused 2 "$XDG_CONFIG_HOME/hadal/config:3: unknown setting 'repaet'; did you mean repeat?" chat
run 0 chat --help && pass "a broken config file does not keep help away"
printf 'threads = 0\n' > "$work/other"
refused 2 "$work/other:1: threads: 0 is outside 1 to 1024" generate --config-file "$work/other"
rm -r "$XDG_CONFIG_HOME/hadal"
HADAL_THREDS=2 refused 2 "unknown environment variable HADAL_THREDS; did you mean HADAL_THREADS?" generate
HADAL_TOP_P=2 refused 2 "HADAL_TOP_P: 2 is outside 0 to 1" generate
HADAL_CONFIG_FILE=$work/missing refused 1 "$work/missing: No such file" generate

# output that cannot be written is a failed job
if [ -w /dev/full ]; then
    "$HADAL" --help > /dev/full 2> "$work/errors"
    [ $? = 1 ] && grep -q "standard output: No space left" "$work/errors" && pass "a full disk is noticed" ||
        fail "a full disk is noticed" "$(cat "$work/errors")"
fi
"$HADAL" help >&- 2> "$work/errors"
[ ! -s "$work/errors" ] && pass "closed standard output does no harm" || fail "closed standard output" "$(cat "$work/errors")"

# manual page
"$HADAL" --man > "$work/hadal.1"
if command -v man > /dev/null; then
    complaints=$(man --warnings -l "$work/hadal.1" 2>&1 > "$work/manual" | head -5)
    clean "the manual page is clean roff" "$complaints"
    output=$(sed 's/.\x08//g' "$work/manual") # overstrikes
    shows "the manual page has its sections" NAME SYNOPSIS DESCRIPTION COMMANDS "hadal chat" "SHARED OPTIONS" \
        "EXIT STATUS" "--temperature T"
else
    skip "man is not here"
fi
report_end
