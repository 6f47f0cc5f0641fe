#!/usr/bin/env bash
# test_rank_failures.sh - hadal train under mpirun when one rank fails by itself: at a file, at MPI, or killed. The whole job ends,
# with that rank's sentence. For builds with MPI=1.
set -uo pipefail
. tests/ranks/ranks.sh

ended() { # STATUS: badly, and not because nobody could wait any longer
    [ "$1" != 0 ] && [ "$1" != 124 ]
}

# ---- files

refused "rank 0: $work/data.jsonl/run: cannot create" 3 "${pretrain[@]}" -o "$work/data.jsonl/run"
ranks 2 "${pretrain[@]}" --steps 1 -o "$work/run"
verdict "two ranks begin a run"
moments=$work/run/latest/trainer/optimizer.safetensors
cp "$moments" "$work/moments"
truncate -s -1000 "$moments"
refused "rank 0: $work/run/step-00000001/trainer/optimizer.safetensors" 3 "${pretrain[@]}" --resume auto -o "$work/run"
cp "$work/moments" "$moments"
truncate -s 100 "$work/run/latest/trainer/state.json"
refused "rank 0: $work/run/step-00000001/trainer/state.json" 2 "${pretrain[@]}" --resume auto -o "$work/run"

# Two ranks with options of their own.
each() { # FIRST SECOND: words of options
    local first=("${pretrain[@]}" -o "$work/none") second=("${pretrain[@]}" -o "$work/none")
    # shellcheck disable=SC2206
    first+=($1) second+=($2)
    timeout 280 mpirun -n 1 "$HADAL" train "${first[@]}" : -n 1 "$HADAL" train "${second[@]}" > "$work/out" 2> "$work/errors"
}
each "" --dry-run
ended $? && grep -q "^hadal train: 1 of 2 ranks had less to do than the others" "$work/errors"
verdict "a rank that has less to do is not waited for"
each "" "--micro-batch 5"
ended $? && grep -q "^hadal train: rank 1: .*cannot be shared by 2 ranks" "$work/errors"
verdict "a rank that refuses its options ends all"
"$HADAL" synth --config "$work/config.json" --type f32 --seed 9 -o "$work/other" > /dev/null
each "--init $work/model" "--init $work/other"
ended $? && grep -q "^hadal train: rank 1: $work/other: holds other weights than on the first rank" "$work/errors"
verdict "ranks begin with the same weights"
sed 's/"routed_scaling_factor": 2.5/"routed_scaling_factor": 2/' "$work/config.json" > "$work/odd.json"
each "" "--config $work/odd.json"
ended $? && grep -q "^hadal train: rank 1: was started with other data or options" "$work/errors"
verdict "and with the same shape"

# ---- MPI

${CC:-cc} -shared -fPIC $(pkg-config --cflags ompi-c) tests/ranks/odd_mpi.c -o "$work/odd_mpi.so" > "$work/out" 2>&1
verdict "an odd MPI is made"
odd() { # NAME VALUE ARGUMENTS...
    (export LD_PRELOAD="$work/odd_mpi.so" "$1=$2" && ranks "${@:3}")
}
odd ODD_MPI_THREADS none 2 "${pretrain[@]}" -o "$work/none"
ended $? && grep -q "^hadal train: this MPI library allows one thread in a process" "$work/errors" && [ "$(grep -c '^hadal' "$work/errors")" = 1 ]
verdict "an MPI that allows no threads is refused once"
for call in "SEND 1" "SEND 4" "ALLREDUCE 1" "ALLREDUCE 12"; do
    odd "ODD_MPI_${call% *}" "${call#* }" 3 "${pretrain[@]}" --steps 2 -o "$work/odd"
    ended $? && grep -q "^hadal train: rank 1: MPI: " "$work/errors" && [ "$(grep -c '^hadal' "$work/errors")" = 1 ]
    verdict "a rank that MPI fails ends all: MPI_$call"
done
ranks 2 "${pretrain[@]}" --steps 2 --resume auto -o "$work/odd"
verdict "what was there can be gone on with"

# ---- killed

begin 3 killed 1 "${pretrain[@]}" --save-every 0 --steps 100000 --schedule constant
victim=$(process_of killed 1)
kill -9 "$victim"
wait $pid
ended $?
verdict "a rank that is killed ends all"

report_end
