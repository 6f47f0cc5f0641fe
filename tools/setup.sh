#!/usr/bin/env bash
# setup.sh GROUP... - installs the Debian packages of the groups in tools/packages.txt that are missing:
# "build" to compile, "test" for make test, "long" for make test-long. Needs root or sudo only when one is missing. With
# "test" those of "want" are tried too: their tests say that they are skipped when that fails.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v dpkg-query > /dev/null || ! command -v apt-get > /dev/null; then
    exit 0 # not Debian: the compiler and pkg-config name what is missing
fi

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2> /dev/null)" = installed ]; }

# pkg-config has had two packages, and Node.js often comes from elsewhere, with npm in it.
present() {
    case $1 in
    pkgconf) installed pkgconf || installed pkg-config ;;
    nodejs) command -v node > /dev/null ;;
    npm) command -v npm > /dev/null ;;
    *) installed "$1" ;;
    esac
}

missing=() wanted=()
for group in "${@:-build}"; do
    while read -r row package _; do
        if [ "$row" = "$group" ]; then present "$package" || missing+=("$package"); fi
        if [ "$row $group" = "want test" ]; then present "$package" || wanted+=("$package"); fi
    done < tools/packages.txt
done
[ $((${#missing[@]} + ${#wanted[@]})) -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" != 0 ]; then
    [ ${#missing[@]} -gt 0 ] || exit 0 # nobody is asked for a password for what can be done without
    if ! command -v sudo > /dev/null; then
        echo "setup.sh: these packages are missing and only root can install them:" >&2
        echo "    apt-get install ${missing[*]}" >&2
        exit 1
    fi
    as_root=(sudo)
fi
install_packages() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"; }
if [ ${#missing[@]} -gt 0 ]; then
    echo "setup.sh: installing ${missing[*]}" >&2
    install_packages "${missing[@]}" > /dev/null 2>&1 || { "${as_root[@]}" apt-get update >&2 && install_packages "${missing[@]}" >&2; }
fi
if [ ${#wanted[@]} -gt 0 ]; then
    echo "setup.sh: installing ${wanted[*]}" >&2
    install_packages "${wanted[@]}" > /dev/null 2>&1 || echo "setup.sh: ${wanted[*]} cannot be installed; tests of them are skipped" >&2
fi
