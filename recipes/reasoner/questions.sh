#!/usr/bin/env bash
# questions.sh MODEL FILES - how many of the questions a model answers rightly, thinking, with the likeliest tokens.
set -euo pipefail
model=$1
shift
sets=()
for file in "$@"; do sets+=(--questions "$file"); done
"${HADAL:-build/hadal}" eval -m "$model" "${sets[@]}" --temperature 0 --max-tokens "${LONGEST:-384}" --threads "${THREADS:-2}"
