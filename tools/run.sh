#!/usr/bin/env bash
# run.sh BUILD [MODEL] - starts a chat with MODEL, with the user's own setting, or with a small model that is there: in the
# terminal and, for the small one, on a page too. Without any model it says how to get one. Called by make run.
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
small=../shared/models/tiny-v3
if [ ! -d "$small" ]; then
    cat >&2 << END
$build/hadal is built, but there is no model to talk to. A small real one (3.5 GB) is the distillation of R1 into
Qwen 1.5B:

    git lfs install
    git clone https://huggingface.co/deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B ~/models/r1-1.5b
    make run MODEL=~/models/r1-1.5b

GGUF files of the same models, and DeepSeek-V2-Lite (31 GB), V3 or R1 (about 700 GB) do as well.
END
    exit
fi

# The page's server; a port that another program has is left to it. Costs are those of DeepSeek's price list: nothing is
# charged.
said=$(mktemp)
server=
trap 'exit 1' HUP TERM
trap '[ -z "$server" ] || kill "$server" 2> /dev/null; rm -f "$said"' EXIT
serve() { # in a session of its own: Ctrl-C is for the chat
    setsid "$build/hadal" serve -m "$small" --template deepseek-v3.1 --no-log --prices deepseek --answer-tokens 300 \
        --port "$1" 2> "$said" &
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
echo "The model is $small, which has read nothing but Shakespeare. Any other: make run MODEL=path" >&2
if [ /dev/stdin -ef /dev/null ]; then # nobody types: the page alone
    wait "$server"
else
    "$build/hadal" chat -m "$small" --tokens 150 # it was trained on passages of 192 tokens and knows no end
fi
