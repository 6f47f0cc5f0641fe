#!/usr/bin/env bash
# test_install.sh BUILD - what make install leaves and make uninstall takes away: the binary, the manual page, and a
# library that pkg-config finds and that keeps its own names to itself. test_library.sh uses the library.
set -uo pipefail
. tools/report.sh
build=${1:-build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

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

# A program may have functions of its own that are called as some inside the library are.
cat > "$work/own.c" << 'END'
#include <hadal.h>
#include <string.h>
int fail(void);
int fail(void) { return 0; }
int main(int argc, char **argv) { return argc != 2 || strcmp(hadal_version(), argv[1]) != 0 || fail(); }
END
for kind in shared static; do
    [ $kind = shared ] && libraries=$shared || libraries=$static
    if gcc -std=c17 -Wall -Wextra -Werror $flags "$work/own.c" -o "$work/own-$kind" $libraries > "$work/log" 2>&1 &&
        "$work/own-$kind" "$version"; then
        pass "a program with its own fail() links with the $kind library"
    else
        fail "a program with its own fail() links with the $kind library" "$(cat "$work/log")"
    fi
done

if make_quietly uninstall; then pass "make uninstall"; else fail "make uninstall" "$(cat "$work/log")"; fi
clean "make uninstall removes every file" "$(find "$root" ! -type d)"
report_end
