#!/usr/bin/env bash
# `make hub`: PostgreSQL (Debian's) in a private folder, the hub's schema, an operator's account, a claim code, and one hub.
# Prints address, login, password and claim code, then serves until it is ended; PostgreSQL ends with it.
#   SITEWARDEN_HUB_FOLDER  where it keeps all (run/hub; as root a folder that the user postgres may enter)
#   SITEWARDEN_HUB_LISTEN  where it listens (127.0.0.1:9443: registered gateways know the address, so it stays)
#   SITEWARDEN_HUB_BINARY  a hub that is built already
. "$(dirname "$0")/lib.sh"

command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || scripts/setup.sh all
if [ -z "${SITEWARDEN_HUB_BINARY:-}" ]; then
    scripts/setup.sh build
    cargo build --release --bin sitewarden-hub
fi
HUB="${SITEWARDEN_HUB_BINARY:-$TARGET/release/sitewarden-hub}"

# A socket's path has at most 107 characters, and the user postgres must be able to enter the folder.
FOLDER="${SITEWARDEN_HUB_FOLDER:-$PROJECT/run/hub}"
if [ -z "${SITEWARDEN_HUB_FOLDER:-}" ]; then
    if [ "${#FOLDER}" -gt 70 ] || { [ "$(id -u)" = 0 ] && ! setpriv --reuid=postgres --regid=postgres --init-groups test -x "$PROJECT"; }; then
        FOLDER=/var/tmp/sitewarden-hub
    fi
fi
mkdir -p "$FOLDER"
DATABASE="$FOLDER/postgres"
scripts/postgres.sh start "$DATABASE"
trap 'scripts/postgres.sh stop "$DATABASE"' EXIT

psql() { command psql --no-psqlrc -qtA -v ON_ERROR_STOP=1 -h "$DATABASE" -U admin -d postgres "$@"; }
if [ "$(psql -c "SELECT count(*) FROM pg_database WHERE datname = 'hub'")" = 0 ]; then
    psql -c "CREATE ROLE hub_owner LOGIN" -c "CREATE ROLE hub_server LOGIN"
    psql -c "CREATE DATABASE hub OWNER hub_owner"
fi
export SITEWARDEN_HUB_OWNER_DATABASE="host=$DATABASE user=hub_owner dbname=hub"
export SITEWARDEN_HUB_DATABASE="host=$DATABASE user=hub_server dbname=hub"
"$HUB" migrate --serve-as hub_server >/dev/null
if [ ! -f "$FOLDER/account" ]; then
    "$HUB" tenant create Demo >/dev/null
    (umask 077 && "$HUB" account create --login operator --tenant Demo >"$FOLDER/account")
fi
# For other commands beside this hub: . run/hub/environment; sitewarden-hub claim create --tenant Demo
(umask 077 && cat >"$FOLDER/environment" <<END
export SITEWARDEN_HUB_OWNER_DATABASE="$SITEWARDEN_HUB_OWNER_DATABASE"
export SITEWARDEN_HUB_BINARY="$HUB"
END
)
cat "$FOLDER/account"
"$HUB" claim create --tenant Demo
say "A gateway registers by: sitewarden uplink register --url ADDRESS --ca $FOLDER/state/ca.pem --claim-code CODE"
# Not exec: PostgreSQL is ended after the hub. A signal to this script ends the hub, then the script goes on to its end.
"$HUB" serve --state "$FOLDER/state" --listen "${SITEWARDEN_HUB_LISTEN:-127.0.0.1:9443}" "$@" &
SERVING=$!
trap 'kill "$SERVING" 2>/dev/null || true' INT TERM
code=0
wait "$SERVING" || code=$?
# A wait that a signal cut short says nothing about the hub: wait for its end.
wait "$SERVING" 2>/dev/null || true
exit "$([ "$code" -gt 128 ] && echo 0 || echo "$code")"
