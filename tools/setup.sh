#!/usr/bin/env bash
# setup.sh GROUP... - installs the Debian packages of the groups in tools/packages.txt that are missing:
# "build" to compile, "test" for make test, "long" for make test-long. Needs root or sudo only when one is missing.
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

missing=()
for group in "${@:-build}"; do
    while read -r row package _; do
        [ "$row" = "$group" ] || continue
        present "$package" || missing+=("$package")
    done < tools/packages.txt
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo > /dev/null; then
        echo "setup.sh: these packages are missing and only root can install them:" >&2
        echo "    apt-get install ${missing[*]}" >&2
        exit 1
    fi
    as_root=(sudo)
fi
echo "setup.sh: installing ${missing[*]}" >&2
install_missing() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"; }
install_missing > /dev/null 2>&1 || { "${as_root[@]}" apt-get update >&2 && install_missing >&2; }
