#!/usr/bin/env bash
# check_docs.sh - what the documents name is there: files of the repository, make targets, and every command.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
. tools/report.sh
documents=(README.md README.zh.md AGENTS.md CONTRIBUTING.md docs/*.md)

# Names in backquotes that begin with one of our folders; placeholders in capitals and patterns are examples.
missing=$(grep -noE '`(src|tests|tools|docs|include|examples|bench|web)/[^` ]*`' "${documents[@]}" | tr -d '`' |
    while IFS=: read -r file line path; do
        case $path in *NAME*) continue ;; esac
        compgen -G "$path" > /dev/null || echo "$file:$line: $path"
    done)
clean "files that documents name exist" "$missing"

targets=$(grep -ohE '\bmake (test|run|install|uninstall|lint|format|fuzz|clean)[a-z-]*' "${documents[@]}" | cut -d' ' -f2 | sort -u |
    while read -r target; do grep -qE "^$target:" Makefile || echo "make $target"; done)
clean "make targets that documents name exist" "$targets"

commands=$(grep -oE '\[COMMAND_[A-Z]+\] = "[a-z]+"' src/cli/settings.c | cut -d'"' -f2)
unlisted=$(for document in README.md README.zh.md; do
    for command in $commands; do
        grep -qE "^\|.*\`hadal $command\`" "$document" || echo "$document: hadal $command"
    done
done)
[ -n "$commands" ] || unlisted="no commands found in src/cli/settings.c"
clean "both READMEs list every command" "$unlisted"
report_end
