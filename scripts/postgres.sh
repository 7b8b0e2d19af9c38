#!/usr/bin/env bash
# A PostgreSQL of the project's own: `postgres.sh start FOLDER` makes a cluster in FOLDER/data if there is none, starts it with
# its socket in FOLDER alone (no port), and returns when it answers. `postgres.sh stop FOLDER` ends it.
# PostgreSQL refuses root; then it runs as the user postgres that Debian's package makes, who must be able to enter FOLDER.
. "$(dirname "$0")/lib.sh"

[ $# = 2 ] || die "postgres.sh start FOLDER, or postgres.sh stop FOLDER"
FOLDER="$(realpath -m "$2")"

# Debian keeps the server's programs outside of PATH.
find_program() {
    local found
    found="$(command -v "$1" || ls /usr/lib/postgresql/*/bin/"$1" 2>/dev/null | sort -V | tail -n 1)"
    [ -n "$found" ] || die "$1 is not installed: make setup"
    realpath "$found"
}

# Runs a program as the account that owns the cluster.
as_server() {
    if [ "$(id -u)" = 0 ]; then setpriv --reuid=postgres --regid=postgres --init-groups env HOME="$FOLDER" "$@"; else "$@"; fi
}

start() {
    mkdir -p "$FOLDER"
    chmod 700 "$FOLDER"
    [ "$(id -u)" != 0 ] || chown postgres:postgres "$FOLDER"
    as_server test -x "$FOLDER" || die "the user postgres cannot enter $FOLDER: choose another folder"
    local initdb pg_ctl
    initdb="$(find_program initdb)"
    pg_ctl="$(find_program pg_ctl)"
    cd "$FOLDER"
    if [ ! -f data/PG_VERSION ]; then
        as_server "$initdb" --auth=trust --username=admin --encoding=UTF8 --locale=C.UTF-8 -D data >initdb.log 2>&1 \
            || { cat initdb.log >&2; die "initdb failed"; }
    fi
    as_server "$pg_ctl" -D data status >/dev/null && return
    as_server "$pg_ctl" -D data -w -l log -o "-k '$FOLDER' -c listen_addresses=''" start >pg_ctl.log 2>&1 \
        || { cat pg_ctl.log log >&2; die "PostgreSQL did not start"; }
}

case "$1" in
    start) start ;;
    stop) cd / && as_server "$(find_program pg_ctl)" -D "$FOLDER/data" -m fast -w stop >/dev/null ;;
    *) die "postgres.sh start FOLDER, or postgres.sh stop FOLDER" ;;
esac
