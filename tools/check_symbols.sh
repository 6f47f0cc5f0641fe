#!/usr/bin/env bash
# check_symbols.sh BUILD - rules about what was compiled: no writable state outside tools/exceptions.txt, and the
# libraries offer nothing but names that begin with hadal_.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
. tools/report.sh
build=${1:-build}

mapfile -t objects < <(find src -name '*.c' | sort | sed "s|^|$build/|; s|c\$|o|" | xargs -r ls 2> /dev/null)
if [ ${#objects[@]} = 0 ] || [[ $build == *-* ]]; then
    skip "symbols: looked at in the plain build only"
    report_end
    exit
fi

# Constant tables of pointers lie in .data.rel.ro: written by the loader, read-only from then on.
writable=$(objdump -t "${objects[@]}" | awk -v build="$build/" '
    /file format/ { file = $1; sub(/:$/, "", file); sub(build, "", file); sub(/\.o$/, ".c", file) }
    NF >= 5 && / O / && $(NF - 2) ~ /^\.(data|bss|tdata|tbss)/ && $(NF - 2) !~ /^\.data\.rel\.ro/ { print file ":" $NF }' |
    sed 's/\.[0-9]*$//' | awk '!input { if ($1 == "writable") known[$2]; next } !($1 in known)' tools/exceptions.txt input=1 -)
clean "no writable state outside the exceptions" "$writable"

shared=$(find "$build" -maxdepth 1 -name 'libhadal.so.*' | head -1)
if [ -n "$shared" ]; then
    exported=$(nm -D --defined-only "$shared" | awk '$NF !~ /^hadal_/ { print $NF }')
    clean "libhadal.so exports only hadal_ names" "$exported"
fi
report_end
