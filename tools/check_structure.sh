#!/usr/bin/env bash
# check_structure.sh - rules about the source that a compiler does not check: which layer may include which, sizes of
# files and functions, where the environment is read, where conditional compilation is. tools/exceptions.txt holds what
# is accepted.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
. tools/report.sh

mapfile -t sources < <(find src -name '*.[ch]' | sort)

excepted() { # kind: the names
    awk -v kind="$1" '$1 == kind { print $2 }' tools/exceptions.txt
}
without() { # kind: lines of stdin whose first word is not excepted
    awk '!input { known[$1]; next } !($1 in known)' <(excepted "$1") input=1 -
}

# Which folders of src a folder may include, itself apart.
layers='
base:
tensor:  base
format:  tensor base
kernel:  tensor base
comm:    tensor base
backend: kernel comm format tensor base
model:   backend kernel comm format tensor base
text:    format tensor base
verify:  text base
hub:     base
engine:  model backend kernel comm format tensor base text
train:   verify engine model backend kernel comm format tensor base text
eval:    verify text base
server:  engine model backend kernel comm format tensor base text
plan:    engine model backend kernel comm format tensor base text
api:     engine model backend kernel comm format tensor base text
cli:     api plan server hub eval train verify engine model backend kernel comm format tensor base text'

includes=$(awk -v layers="$layers" '
    BEGIN {
        count = split(layers, line, "\n")
        for (i = 1; i <= count; i++) {
            words = split(line[i], word, /[: ]+/)
            if (word[1] == "") continue
            known[word[1]]
            for (j = 1; j <= words; j++) if (word[j] != "") allowed[word[1], word[j]]
        }
    }
    FNR == 1 { split(FILENAME, part, "/"); layer = part[2] }
    FNR == 1 && !(layer in known) { print FILENAME ": the layer " layer " is unknown" }
    /^#include "/ {
        split($2, quoted, "\"")
        if (quoted[2] == "hadal.h") next
        if (split(quoted[2], target, "/") < 2) print FILENAME ":" FNR ": include by the path from src: " quoted[2]
        else if (!((layer, target[1]) in allowed)) print FILENAME ":" FNR ": " layer " may not include " quoted[2]
    }
    /^#include.*\.c[">]/ { print FILENAME ":" FNR ": includes a .c file" }
' "${sources[@]}")
clean "includes go one way through the layers" "$includes"

# An inline function compiled with wide registers may be the copy that the linker keeps for everybody.
vector_files=$(find src/kernel/x86/*/ -name '*.[ch]' 2> /dev/null)
vector=$(grep -nE '^#include "' /dev/null $vector_files | grep -vE '"(kernel|tensor)/[a-z0-9_/]+\.h"'
    grep -nE '\binline\b' $(grep -ohE '^#include "[^"]*' $vector_files | sed 's/.*"/src\//' | sort -u | grep -v '/x86/') /dev/null)
clean "vector code includes only the kernel contract, data and intrinsics" "$vector"

mpi=$(grep -nE '#include [<"]mpi\.h[>"]|\bMPI_[A-Z][a-z]' "${sources[@]}" | grep -v '^src/comm/mpi\.c:' || true)
clean "only src/comm/mpi.c sees MPI" "$mpi"

own_tests=$(grep -nE '^#include.*\.c[">]' /dev/null $(find tests examples -name '*.[ch]') || true)
clean "tests go through headers" "$own_tests"

clean "files have at most 800 lines" "$(wc -l "${sources[@]}" $(find tests -name '*.[ch]') | awk '$2 != "total" && $1 > 800 { print $2, $1, "lines" }' | without lines)"

clean "the public header has at most 300 lines, the example fewer than 80" \
    "$(wc -l include/hadal.h examples/chat.c | awk '$2 ~ /hadal.h/ && $1 > 300 || $2 ~ /chat.c/ && $1 >= 80 { print $2, $1, "lines" }')"

# The layout that clang-format gives: a function opens with an unindented line that ends in "{" and closes with "}" in
# the first column; its first line follows a line that ends a thing.
functions=$(awk '
    FNR == 1 { start = 0; open = 0 }
    !open && /^[a-z_]/ && !start { start = FNR; name = $0 }
    !open && start && /;[ \t]*(\/\*.*)?$/ { start = 0 }
    !open && start && /\)[^=;]*\{$/ { open = 1 }
    !open && start && /\{$/ && !/\)[^=;]*\{$/ { start = 0; skipping = 1 }
    /^\}/ {
        if (open && FNR - start + 1 > 60) {
            sub(/\(.*/, "", name); sub(/.*[ *]/, "", name)
            print FILENAME ":" name, FNR - start + 1, "lines"
        }
        open = 0; start = 0
    }' "${sources[@]}" | without function)
clean "functions have at most 60 lines" "$functions"

environment=$(grep -nE '\b(secure_)?getenv *\(|\benviron\b' "${sources[@]}" | grep -v '^src/cli/environment\.c:' || true)
clean "only src/cli/environment.c reads the environment" "$environment"

library=$(grep -nE '\b(printf|puts|putchar|perror|exit|_exit|abort) *\(' "${sources[@]}" |
    grep -vE '^src/(cli/|base/status\.c:)|^[^:]+:[0-9]+: *(/?\*|//)|_exit *\(|at_?exit' || true)
clean "the library neither prints nor exits" "$library"

# Header guards apart, and but for files where a table is chosen.
conditional=$(awk '/^#[ \t]*(if|ifdef|ifndef|elif)/ && !/^#ifndef HADAL_[A-Z0-9_]+_H$/ { print FILENAME, FNR ": " $0 }' \
    "${sources[@]}" | without conditional)
clean "no conditional compilation in logic" "$conditional"

globals=$(grep -nE '#pragma +GCC +optimize|-ffast-math' Makefile "${sources[@]}" || true)
clean "no fast-math" "$globals"

marks=$(grep -nE '\b(TODO|FIXME|XXX|HACK)\b' "${sources[@]}" || true)
clean "nothing is promised in comments" "$marks"

mapfile -t options < <(sed -n 's/.*\.name = "\([a-z-]*\)".*/\1/p' src/cli/settings_*.h | sort -u)
mapfile -t readers < <(find src/cli -name '*.c' ! -name settings.c)
unread=$(for option in "${options[@]}"; do grep -qF "\"$option\"" "${readers[@]}" || echo "--$option is read nowhere"; done)
unknown=$(grep -noE '\boption_(given|flag|int|real|text|ints|texts)\([a-z>.-]*values, "[a-z-]{2,}"' "${readers[@]}" |
    while IFS= read -r use; do
        name=${use%\"} name=${name##*\"}
        [[ " ${options[*]} " == *" $name "* ]] || echo "$use: no such option"
    done)
clean "options are read, and what is read is an option" "$unread$unknown"

version=$(sed -n 's/^#define HADAL_VERSION "\(.*\)"$/\1/p' src/base/version.h)
public=$(sed -n 's/^#define HADAL_VERSION_\(MAJOR\|MINOR\|PATCH\) \([0-9]*\)$/\2/p' include/hadal.h | paste -sd .)
[ -n "$version" ] && [ "$version" = "$public" ] && pass "library and header have one version" ||
    fail "library and header have one version" "src/base/version.h: $version, include/hadal.h: $public"

report_end
