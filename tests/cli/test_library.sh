#!/usr/bin/env bash
# test_library.sh BUILD - what programs do with the installed library: the example holds a conversation, C99 and C++
# programs use the whole interface, and what the library exports is what the header declares.
set -uo pipefail
. tools/report.sh
build=${1:-build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
model=../shared/models/tiny-v3

if [ "$build" != build ]; then
    skip "the installed library: tried with the plain build only"
    pass "nothing to install from $build"
    report_end
    exit
fi

root=$work/root prefix=/opt/hadal
# One installation at a time: all of them make the same files in the build directory.
if ! flock "$build" env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make -s install DESTDIR="$root" PREFIX="$prefix" > "$work/log" 2>&1; then
    fail "make install" "$(cat "$work/log")"
    report_end
    exit
fi
export PKG_CONFIG_PATH=$root$prefix/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root LD_LIBRARY_PATH=$root$prefix/lib
flags=$(pkg-config --cflags hadal)
shared=$(pkg-config --libs hadal)
static="$root$prefix/lib/libhadal.a $(env -u PKG_CONFIG_SYSROOT_DIR pkg-config --static --libs hadal | sed 's/-lhadal//') -lm"
header=$root$prefix/include/hadal.h

# compile NAME COMMAND...
compile() {
    local name=$1
    shift
    if "$@" > "$work/log" 2>&1; then pass "$name"; else fail "$name" "$(cat "$work/log")"; fi
}

# ---- the header ----
grep -oE '\bhadal_[a-z_]+\(' "$header" | tr -d '(' | sort -u > "$work/named"
sed -n '/^HADAL_API/,/;/p' "$header" | grep -oE '\bhadal_[a-z_]+\(' | tr -d '(' | sort -u > "$work/declared"
nm -D --defined-only "$root$prefix/lib/libhadal.so" | awk '{ print $NF }' | sort -u > "$work/exported"
clean "what is exported is what the header declares" "$(diff "$work/declared" "$work/exported")"
clean "comments name functions that there are" "$(comm -23 "$work/named" "$work/declared")"
macros() { printf '%b' "$1" | gcc $flags -dM -E - | awk '{ print $2 }' | sort; }
foreign=$(comm -13 <(macros '#include <stddef.h>\n#include <stdint.h>\n') <(macros '#include <hadal.h>\n') | grep -v '^HADAL_')
clean "macros begin with HADAL_" "$foreign"

# ---- C99, C++ ----
cat > "$work/use.c" << 'END'
#include <hadal.h>
#include <hadal.h>
#include <stdio.h>

static int count(void *context, const struct hadal_piece *piece) {
    *(size_t *)context += piece->count;
    return 0;
}

int main(int argc, char **argv) {
    struct hadal_model_options options;
    struct hadal_generation generation;
    struct hadal_model *model = NULL;
    struct hadal_session *session[2] = {NULL, NULL};
    size_t ids = 0;
    int i, failed;
    hadal_model_options_default(&options);
    options.path = argc > 1 ? argv[1] : "/nonexistent/model";
    options.sessions = 2;
    options.context = 128;
    failed = hadal_model_open(&model, &options) != HADAL_OK || hadal_generation_default(model, &generation) != HADAL_OK;
    generation.max_tokens = 4;
    generation.on_piece = count;
    generation.context = &ids;
    for (i = 0; i < 2 && !failed; i++)
        failed = hadal_session_open(&session[i], model) != HADAL_OK ||
                 hadal_session_append_text(session[i], i ? "JULIET:" : "ROMEO:", HADAL_TERMINATED, HADAL_PLAIN) != HADAL_OK;
    for (i = 0; i < 2 && !failed; i++) failed = hadal_session_generate(session[i], &generation, NULL) != HADAL_OK;
    hadal_model_close(model);
    for (i = 0; i < 2; i++) hadal_session_close(session[i]);
    if (failed) fprintf(stderr, "%s\n", hadal_error());
    return failed || ids != 8;
}
END
cp "$work/use.c" "$work/use.cc"
warnings="-Wall -Wextra -pedantic -pedantic-errors -Werror"
compile "a C99 program" gcc -std=c99 $warnings $flags "$work/use.c" -o "$work/use-c99" $shared
for standard in c11 c17; do
    compile "a ${standard^} program" gcc -std=$standard $warnings -Wstrict-prototypes $flags -c "$work/use.c" -o "$work/use.o"
done
compile "a C99 program, static" gcc -std=c99 $warnings $flags "$work/use.c" -o "$work/use-static" $static
programs="use-c99 use-static"
for compiler in g++ clang++; do
    if command -v $compiler > /dev/null; then
        compile "a C++ program by $compiler" $compiler -std=c++11 $warnings -Wno-missing-field-initializers $flags "$work/use.cc" -o "$work/use-$compiler" $shared
        programs+=" use-$compiler"
    else
        skip "$compiler is not here"
    fi
done
for program in $programs; do
    message=$("$work/$program" 2>&1)
    [ $? = 1 ] && [[ $message == */nonexistent/model* ]] && pass "$program says what is missing" ||
        fail "$program says what is missing" "$message"
done
if [ -d "$model" ]; then
    for program in $programs; do
        compile "$program generates in two sessions" timeout 60 "$work/$program" "$model"
    done
else
    skip "$model is not here"
fi

# ---- the example ----
compile "the example, shared" gcc -std=c99 $warnings $flags examples/chat.c -o "$work/chat" $shared
compile "the example, static" gcc -std=c17 $warnings $flags examples/chat.c -o "$work/chat-static" $static
for program in chat chat-static; do
    "$work/$program" > /dev/null 2> "$work/log"
    [ $? = 2 ] && grep -q usage "$work/log" && pass "$program without a model says how to use it" ||
        fail "$program without a model says how to use it" "$(cat "$work/log")"
    "$work/$program" /nonexistent/model > /dev/null 2> "$work/log"
    [ $? = 1 ] && grep -q /nonexistent/model "$work/log" && pass "$program names a model that is missing" ||
        fail "$program names a model that is missing" "$(cat "$work/log")"
    [ -d "$model" ] || continue
    printf 'Good morrow!\n\nWho art thou?\n' | timeout 60 "$work/$program" "$model" 24 > "$work/answers" 2> "$work/log"
    prompts=$(grep -oE '^(> )*\[[0-9]+ \+' "$work/log" | grep -oE '[0-9]+')
    [ "$(wc -w <<< "$prompts")" = 3 ] && [ "$(sort -n <<< "$prompts")" = "$prompts" ] &&
        pass "$program: three turns, each behind the turns before" || fail "$program: three turns" "$(cat "$work/log")"
    [ -s "$work/answers" ] && pass "$program prints its answers" || fail "$program prints its answers"
done
report_end
