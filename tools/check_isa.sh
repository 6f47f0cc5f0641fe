#!/usr/bin/env bash
# check_isa.sh BUILD - which registers were compiled into what: wide ones only in the files of their level. An object
# of another folder that holds them ends the program on a processor without them.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
. tools/report.sh
build=${1:-build}

if [[ $(uname -m) != x86_64 ]]; then
    skip "vector registers: not this processor family"
    report_end
    exit
fi

# objects FOLDER-PATTERN: what was built of the sources that match, stale objects left out
objects() {
    find src -name '*.c' | grep -E "$1" | sort | sed "s|^|$build/|; s|c\$|o|" | xargs -r ls 2> /dev/null
}

# users REGISTERS OBJECTS...: the objects and functions whose code names one of the registers
users() {
    local registers=$1
    shift
    [ $# = 0 ] || objdump -d --no-show-raw-insn "$@" | awk -v registers="%($registers)" '
        /file format/ { file = $1; sub(/:$/, "", file) }
        /^[0-9a-f]+ <.*>:$/ { name = $2 }
        $0 ~ registers && !seen[file, name]++ { print file, name }'
}

mapfile -t plain < <(objects '^src/' | grep -v '/src/kernel/x86/')
mapfile -t avx2 < <(objects '^src/kernel/x86/avx2/')
mapfile -t avx512 < <(objects '^src/kernel/x86/avx512/')
mapfile -t amx < <(objects '^src/kernel/x86/amx/')
if [ ${#plain[@]} = 0 ] || [ ${#avx2[@]} = 0 ]; then
    skip "vector registers: $build has no objects"
    report_end
    exit
fi

clean "no wide registers outside the vector levels" "$(users 'ymm|zmm|tmm|k[0-7]([^0-9a-z]|$)' "${plain[@]}")"
clean "no 512-bit registers, masks or tiles at the avx2 level" "$(users 'zmm|tmm|k[0-7]([^0-9a-z]|$)|[xy]mm(1[6-9]|2[0-9]|3[01])' "${avx2[@]}")"
clean "no tiles at the avx512 level" "$(users 'tmm' "${avx512[@]}")"

# What a level's file offers to the linker is its own: a function of that name elsewhere could be exchanged for it.
shared=$(nm --defined-only --extern-only "${avx2[@]}" "${avx512[@]}" "${amx[@]}" | awk 'NF == 3 && $3 !~ /^(avx2|avx512|amx)_/ { print $3 }')
clean "vector objects offer only names of their level" "$shared"
report_end
