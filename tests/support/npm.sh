# npm.sh - sourced by tests that need packages of npm: installed once for each build directory, by whichever test comes first
# while the others wait.
#
#   npm_install FOLDER MODULES LOG   the packages that FOLDER/package-lock.json names and FOLDER/*.mjs into MODULES; what npm
#                                    says goes to LOG
npm_install() {
    local folder=$1 modules=$2 log=$3
    mkdir -p "$modules"
    (
        flock 9
        cp -pu "$folder"/*.mjs "$folder/package.json" "$folder/package-lock.json" "$folder/.npmrc" "$modules"
        if ! cmp -s "$folder/package-lock.json" "$modules/installed"; then
            (cd "$modules" && npm ci) > "$log" 2>&1 || exit 1
            cp "$folder/package-lock.json" "$modules/installed"
        fi
    ) 9> "$modules/lock"
}
