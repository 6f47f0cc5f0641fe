#!/usr/bin/env bash
# run.sh BUILD [MODEL] - starts a chat with MODEL, with the user's own setting, or with a small model that is there: in the
# terminal and, for the small one that comes with hadal, on a page too. Called by make run.
set -euo pipefail
cd "$(dirname "$0")/.."
build=$1 model=${2:-}
config=${XDG_CONFIG_HOME:-${HOME:-/nonexistent}/.config}/hadal/config

if [ -n "$model" ]; then
    echo "A page to chat with it: $build/hadal serve -m $model" >&2
    exec "$build/hadal" chat -m "$model"
fi
if [ -n "${HADAL_MODEL:-}" ] || grep -qs '^ *model *=' "$config"; then
    exec "$build/hadal" chat
fi
small=models/reasoner

# The page's server; a port that another program has is left to it. Costs are those of DeepSeek's price list: nothing is
# charged.
said=$(mktemp)
server=
trap 'exit 1' HUP TERM
trap '[ -z "$server" ] || kill "$server" 2> /dev/null; rm -f "$said"' EXIT
serve() { # in a session of its own: Ctrl-C is for the chat
    setsid "$build/hadal" serve -m "$small" --no-log --prices deepseek --port "$1" 2> "$said" &
    server=$!
    while kill -0 "$server" 2> /dev/null; do
        url=$(sed -n 's/.*serving \(http:[^,]*\),.*/\1/p' "$said")
        [ -n "$url" ] && return
        sleep 0.1
    done
    server=
}
url=
serve "${PORT:-8000}"
[ -n "$url" ] || serve 0
if [ -n "$url" ]; then
    echo "A page to chat: $url" >&2
else
    cat "$said" >&2
fi
echo "The model is $small, which calculates: try 47*36, in English or Chinese. Any other: make run MODEL=path" >&2
if [ /dev/stdin -ef /dev/null ]; then # nobody types: the page alone
    wait "$server"
else
    "$build/hadal" chat -m "$small"
fi
