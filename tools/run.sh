#!/usr/bin/env bash
# run.sh BUILD [MODEL] - starts a chat with MODEL, with the user's own setting, or with the small model beside the
# repository; without any of them says how to get one. Called by make run.
set -euo pipefail
cd "$(dirname "$0")/.."
build=$1 model=${2:-}
small=../shared/models/tiny-v3
config=${XDG_CONFIG_HOME:-${HOME:-/nonexistent}/.config}/hadal/config

if [ -n "$model" ]; then
    exec "$build/hadal" chat -m "$model"
fi
if [ -n "${HADAL_MODEL:-}" ] || grep -qs '^ *model *=' "$config"; then
    exec "$build/hadal" chat
fi
if [ -d "$small" ]; then
    echo "Chatting with $small, which has read nothing but Shakespeare. Any other: make run MODEL=path" >&2
    exec "$build/hadal" chat -m "$small" --tokens 150 # it was trained on passages of 192 tokens and knows no end
fi
cat >&2 << END
$build/hadal is built, but there is no model to talk to. A small real one (3.5 GB) is the distillation of R1 into
Qwen 1.5B:

    git lfs install
    git clone https://huggingface.co/deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B ~/models/r1-1.5b
    make run MODEL=~/models/r1-1.5b

GGUF files of the same models, and DeepSeek-V2-Lite (31 GB), V3 or R1 (about 700 GB) do as well.
END
