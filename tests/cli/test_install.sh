#!/usr/bin/env bash
# test_install.sh BUILD - what make install leaves: the binary, the manual page, and a library that C and C++ programs
# find by pkg-config and link both ways.
set -uo pipefail
. tools/report.sh
build=${1:-build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
model=../shared/models/tiny-v3

if [ "$build" != build ]; then
    skip "installing: tried with the plain build only"
    pass "nothing to install from $build"
    report_end
    exit
fi

root=$work/root prefix=/opt/hadal
# One installation at a time: all of them make the same files in the build directory.
make_quietly() { flock "$build" env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make -s "$@" DESTDIR="$root" PREFIX="$prefix" > "$work/log" 2>&1; }

if make_quietly install; then pass "make install"; else fail "make install" "$(cat "$work/log")"; fi
version=$("$HADAL" --version | cut -d' ' -f2)
expected="bin/hadal include/hadal.h lib/libhadal.a lib/libhadal.so lib/libhadal.so.${version%%.*} lib/libhadal.so.$version
    lib/pkgconfig/hadal.pc share/man/man1/hadal.1"
missing=
for file in $expected; do [ -s "$root$prefix/$file" ] || missing+="$file "; done
clean "every file is installed" "$missing"
[ "$("$root$prefix/bin/hadal" --version)" = "hadal $version" ] && pass "the installed binary runs" || fail "the installed binary runs"

export PKG_CONFIG_PATH=$root$prefix/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root LD_LIBRARY_PATH=$root$prefix/lib
[ "$(pkg-config --modversion hadal)" = "$version" ] && pass "pkg-config knows the version" || fail "pkg-config knows the version"
flags=$(pkg-config --cflags hadal)
shared=$(pkg-config --libs hadal)
# The sysroot is for our own files; the libraries behind libhadal.a are the machine's.
static="$root$prefix/lib/libhadal.a $(env -u PKG_CONFIG_SYSROOT_DIR pkg-config --static --libs hadal | sed 's/-lhadal//') -lm"

exported=$(nm --defined-only -g "$root$prefix/lib/libhadal.a" 2> /dev/null | awk 'NF == 3 && $3 !~ /^hadal_/ { print $3 }')
clean "libhadal.a offers only hadal_ names" "$exported"
[ -n "$(nm -D --defined-only "$root$prefix/lib/libhadal.so" | grep ' hadal_')" ] && pass "libhadal.so offers hadal_ names" ||
    fail "libhadal.so offers hadal_ names"

# compile NAME COMMAND...
compile() {
    local name=$1
    shift
    if "$@" > "$work/log" 2>&1; then pass "$name"; else fail "$name" "$(cat "$work/log")"; fi
}
# A program may have functions of its own that are called as some inside the library are.
printf '#include <hadal.h>\nint fail(void);\nint fail(void) { return 0; }\nint main(void) { return fail(); }\n' > "$work/own.c"
cp "$work/own.c" "$work/own.cc"
warnings="-Wall -Wextra -Wpedantic -Wstrict-prototypes -Werror"
compile "the header is clean C17" gcc -std=c17 $warnings $flags -c "$work/own.c" -o "$work/own.o"
compile "the header is clean C11" gcc -std=c11 $warnings $flags -c "$work/own.c" -o "$work/own.o"
if command -v g++ > /dev/null; then
    compile "the header is clean C++" g++ -std=c++11 -Wall -Wextra -Wpedantic -Werror $flags -c "$work/own.cc" -o "$work/own++.o"
else
    skip "g++ is not here"
fi
[ "$(wc -l < include/hadal.h)" -le 300 ] && pass "the header has at most 300 lines" || fail "the header has at most 300 lines"

compile "the example links with libhadal.so" gcc -std=c17 -Wall -Wextra -Werror $flags examples/chat.c -o "$work/chat" $shared
compile "the example links with libhadal.a" gcc -std=c17 -Wall -Wextra -Werror $flags examples/chat.c -o "$work/chat-static" $static
[ "$(wc -l < examples/chat.c)" -lt 80 ] && pass "the example has fewer than 80 lines" || fail "the example has fewer than 80 lines"
if [ -d "$model" ]; then
    for program in chat chat-static; do
        if printf 'Good morrow!\n' | timeout 60 "$work/$program" "$model" > "$work/answer" 2> "$work/log" && [ -s "$work/answer" ]; then
            pass "$program answers"
        else
            fail "$program answers" "$(cat "$work/log")"
        fi
    done
else
    skip "the example needs $model"
fi

if make_quietly uninstall; then pass "make uninstall"; else fail "make uninstall" "$(cat "$work/log")"; fi
clean "make uninstall removes every file" "$(find "$root" ! -type d)"
report_end
