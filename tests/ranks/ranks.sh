# ranks.sh - sourced by the tests of hadal train under mpirun: a folder, a small model and texts in it, and how ranks are started
# and found.
. tools/report.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Root is refused otherwise; one machine, no network; ranks that wait give way, for there may be more of them than processors.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1 \
    OMPI_MCA_hwloc_base_binding_policy=none OMPI_MCA_mpi_yield_when_idle=1 OMPI_MCA_btl=self,vader \
    OMPI_MCA_btl_vader_single_copy_mechanism=none OMPI_MCA_plm=isolated OMPI_MCA_oob_tcp_if_include=lo
unset DISPLAY

sed 's/"vocab_size": 500/"vocab_size": 1000/' tests/cli/small_v3.json > "$work/config.json"
"$HADAL" synth --config "$work/config.json" --type f32 -o "$work/model" > /dev/null || exit 1
for i in $(seq 200); do echo "{\"text\": \"text number $i says that $((i * 7)) is seven times $i and no more than that\"}"; done > "$work/data.jsonl"
for i in $(seq 60); do
    echo "{\"messages\": [{\"role\": \"user\", \"content\": \"seven times $i\"}, {\"role\": \"assistant\", \"reasoning_content\": \"seven and $i\", \"content\": \"$((i * 7))\"}]}"
done > "$work/talk.jsonl"

# shellcheck disable=SC2034 # for the tests
pretrain=(pretrain --config "$work/config.json" --tokenizer "$work/model" --data "$work/data.jsonl" --steps 6 --sequence 32
    --batch 5 --micro-batch 1 --lr 1e-3 --threads 1 --save-every 3 --log-every 1)
# Errors of what has run last are in $work/errors.
ranks() { # COUNT ARGUMENTS...
    local count=$1
    shift
    timeout 280 mpirun -n "$count" "$HADAL" train "$@" > "$work/out" 2> "$work/errors"
}
# begin COUNT RUN LINES ARGUMENTS...: ranks in the background as $pid, until so many steps are written or all have ended
begin() {
    local count=$1 run=$2 lines=$3
    shift 3
    timeout 280 mpirun -n "$count" "$HADAL" train "$@" -o "$work/$run" > "$work/out" 2> "$work/errors" &
    pid=$!
    for _ in $(seq 9000); do
        [ -e "$work/$run/metrics.jsonl" ] && [ "$(wc -l < "$work/$run/metrics.jsonl")" -ge "$lines" ] && break
        kill -0 $pid 2> /dev/null || break
        sleep 0.02
    done
}
# The process of rank R of those in RUN. Launchers above it have the arguments and not the rank.
process_of() {
    local process
    for process in /proc/[0-9]*; do
        tr '\0' '\n' 2> /dev/null < "$process/environ" | grep -qx "OMPI_COMM_WORLD_RANK=$2" &&
            tr '\0' '\n' 2> /dev/null < "$process/cmdline" | grep -qxF "$work/$1" && echo "${process#/proc/}"
    done
}
verdict() { # WHAT: of the last command
    local status=$?
    [ $status = 0 ] && pass "$1" || fail "$1" "$(tail -n 20 "$work/out" "$work/errors" 2> /dev/null)"
}
# The first rank alone says it.
refused() { # SENTENCE COUNT ARGUMENTS...
    local message=$1 status
    shift
    ranks "$@"
    status=$?
    if [ $status != 0 ] && [ $status != 124 ] && [ "$(grep -cF -- "$message" "$work/errors")" = 1 ] &&
        [ "$(grep -c '^hadal' "$work/errors")" = 1 ]; then
        pass "refused once: $message"
    else
        fail "refused once: $message" "status $status: $(cat "$work/out" "$work/errors")"
    fi
}
