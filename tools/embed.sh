#!/usr/bin/env bash
# embed.sh OUTPUT.c - makes the table of src/server/assets.h from the files of web/ and the libraries of
# web/libraries.txt: one C file in which the assembler finds their bytes. Pages (web/*.html) are copied beside it, with the
# hash of everything in the place of @BUILD@, so that what they load can be cached for ever.
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C
out=$1 folder=$(dirname "$1")
mkdir -p "$folder"

declare -A file # by its name in the table
while read -r name path; do
    case $name in '' | '#'*) continue ;; esac
    if [ ! -f "$path" ]; then
        echo "embed.sh: $path is missing: run tools/setup.sh" >&2
        exit 1
    fi
    file[$name]=$path
done < web/libraries.txt
while IFS= read -r path; do file[${path#web/}]=$path; done < <(find web -type f ! -name libraries.txt)
# The notices of what is embedded, as Debian has them.
for package in libjs-marked node-dompurify libjs-highlight.js libjs-katex; do
    printf '==== %s ====\n\n' "$package"
    cat "/usr/share/doc/$package/copyright" 2> /dev/null || echo "see the package $package of Debian"
    echo
done > "$folder/licences.txt"
file[licences.txt]=$folder/licences.txt

mapfile -t names < <(printf '%s\n' "${!file[@]}" | sort)
build=$(for name in "${names[@]}"; do echo "$name"; sha256sum < "${file[$name]}"; done | sha256sum | head -c 16)
for name in "${names[@]}"; do
    case $name in *.html)
        sed "s/@BUILD@/$build/g" "${file[$name]}" > "$folder/$name"
        file[$name]=$folder/$name
        ;;
    esac
done

type_of() {
    case $1 in
    *.html) echo 'text/html; charset=utf-8' ;;
    *.js) echo 'text/javascript; charset=utf-8' ;;
    *.css) echo 'text/css; charset=utf-8' ;;
    *.svg) echo 'image/svg+xml' ;;
    *.png) echo 'image/png' ;;
    *.woff2) echo 'font/woff2' ;;
    *.json) echo 'application/json' ;;
    *.txt) echo 'text/plain; charset=utf-8' ;;
    *) echo "embed.sh: the type of $1 is unknown" >&2 && return 1 ;;
    esac
}

{
    echo '/* Written by tools/embed.sh. */'
    echo '#include "server/assets.h"'
    for i in "${!names[@]}"; do
        echo "__asm__(\".pushsection .rodata\\n.balign 8\\n.hidden web_file_$i\\n.globl web_file_$i\\nweb_file_$i:\\n.incbin \\\"${file[${names[i]}]}\\\"\\n.byte 0\\n.popsection\");"
        echo "extern const char web_file_${i}[];"
    done
    echo "const char web_build[] = \"$build\";"
    echo "const int web_asset_count = ${#names[@]};"
    echo 'const struct asset web_assets[] = {'
    for i in "${!names[@]}"; do
        path=${file[${names[i]}]} type=$(type_of "${names[i]}")
        echo "    {\"${names[i]}\", \"$type\", web_file_$i, $(wc -c < "$path"), \"\\\"$(sha256sum < "$path" | head -c 24)\\\"\"},"
    done
    echo '};'
} > "$out.new"
mv "$out.new" "$out"
