# shellcheck shell=bash
# postgres.sh - sourced by tests: a PostgreSQL server of their own, in a folder, reached through a socket in it.
#
#   postgres_start FOLDER   prints its URL; false where Debian's postgresql is not installed or does not start
#   postgres_stop FOLDER
postgres_bin=$(ls -d /usr/lib/postgresql/*/bin 2> /dev/null | sort -V | tail -1)

# It refuses to run as root.
postgres_as() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }

postgres_start() {
    local folder=$1
    [ -n "$postgres_bin" ] || return 1
    mkdir -p "$folder" && chmod 755 "$folder/.." && chmod 777 "$folder" || return 1
    postgres_as "$postgres_bin/initdb" -D "$folder/data" -U hadal -A trust -N > "$folder/log" 2>&1 || return 1
    postgres_as "$postgres_bin/pg_ctl" -D "$folder/data" -l "$folder/server.log" -w -t 60 \
        -o "-c listen_addresses='' -c unix_socket_directories='$folder' -c fsync=off" start > /dev/null 2>&1 || return 1
    echo "postgresql://hadal@/postgres?host=$folder"
}

postgres_stop() { postgres_as "$postgres_bin/pg_ctl" -D "$1/data" -m immediate stop > /dev/null 2>&1; }
