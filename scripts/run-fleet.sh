#!/usr/bin/env bash
# `make run-fleet`: the hub and two demo sites that are registered with it, on free ports. Prints the addresses, then runs until it
# is ended (Ctrl-C); everything that it started ends with it. Begins anew each time: run/fleet is emptied, the database is thrown away.
#   SITEWARDEN_BINARY, SITEWARDEN_HUB_BINARY  programs that are built already
# The microcontroller's agent in QEMU is not part of it yet: a demo site does not serve the agents' line.
. "$(dirname "$0")/lib.sh"

if [ -z "${SITEWARDEN_BINARY:-}" ] || [ -z "${SITEWARDEN_HUB_BINARY:-}" ]; then
    scripts/setup.sh build
    scripts/ui.sh build
    cargo build --release --bin sitewarden --bin sitewarden-hub
fi
export SITEWARDEN_HUB_BINARY="${SITEWARDEN_HUB_BINARY:-$TARGET/release/sitewarden-hub}"
SITEWARDEN="${SITEWARDEN_BINARY:-$TARGET/release/sitewarden}"

FLEET="$PROJECT/run/fleet"
LOG="$FLEET/logs"
rm -rf "$FLEET"
mkdir -p "$LOG"
# Outside of the project, since the user postgres must be able to enter it.
export SITEWARDEN_HUB_FOLDER
SITEWARDEN_HUB_FOLDER="$(mktemp -d /var/tmp/sitewarden-fleet-XXXXXX)"
chmod 711 "$SITEWARDEN_HUB_FOLDER"
export SITEWARDEN_HUB_LISTEN=127.0.0.1:0
STARTED=()
finish() {
    local id
    for id in "${STARTED[@]}"; do kill "$id" 2>/dev/null || true; done
    for id in "${STARTED[@]}"; do wait "$id" 2>/dev/null || true; done
    rm -rf "$SITEWARDEN_HUB_FOLDER"
}
trap finish EXIT
trap 'exit 0' INT TERM

# until_said FILE TEXT PROCESS: waits for a line in a program's output, at most two minutes.
until_said() {
    local _
    for _ in $(seq 1200); do
        grep -q "$2" "$1" 2>/dev/null && return
        kill -0 "$3" 2>/dev/null || break
        sleep 0.1
    done
    cat "$1" >&2
    die "it did not start; its output stands above and in $LOG"
}

scripts/hub.sh >"$LOG/hub.out" 2>"$LOG/hub.log" &
HUB_PROCESS=$!
STARTED+=("$HUB_PROCESS")
until_said "$LOG/hub.out" "^The hub serves at" "$HUB_PROCESS"
HUB_ADDRESS="$(sed -n 's/^The hub serves at //p' "$LOG/hub.out")"
HUB_CA="$(sed -n 's/^Clients trust it by //p' "$LOG/hub.out")"
. "$SITEWARDEN_HUB_FOLDER/environment"

# A demo site of this name.
site() {
    local name="$1" folder="$FLEET/$1" id
    mkdir -p "$folder"
    cat >"$folder/site.toml" <<END
[site]
name = "$name"

[web]
listen = "127.0.0.1:0"

[[broker.listeners]]
name = "tls"
address = "127.0.0.1:0"
transport = "tls"

[[broker.listeners]]
name = "loopback"
address = "127.0.0.1:0"
transport = "plain"
END
    "$SITEWARDEN" run --json --demo --config "$folder/site.toml" --state "$folder/state" >"$LOG/$name.out" 2>"$LOG/$name.log" &
    id=$!
    STARTED+=("$id")
    until_said "$LOG/$name.out" '"ready":true' "$id"
    local code
    code="$("$SITEWARDEN_HUB_BINARY" claim create --tenant Demo | sed 's/^Claim code: //')"
    "$SITEWARDEN" uplink register --url "$HUB_ADDRESS" --ca "$HUB_CA" --claim-code "$code" --state "$folder/state" \
        >>"$LOG/$name.log" 2>&1 || { tail -n 3 "$LOG/$name.log" >&2; die "$name was not registered"; }
    python3 - "$name" "$LOG/$name.out" <<'END'
import json, sys
ready = next(json.loads(line) for line in open(sys.argv[2]) if '"ready":true' in line)
print(f"Site {sys.argv[1]:<8} {ready['https']}  set-up code {ready['setup_code']}  MQTT {ready['mqtt']}")
END
}

say ""
say "Hub           $HUB_ADDRESS"
sed -n -e 's/^Login: /  login       /p' -e 's/^Password: /  password    /p' "$LOG/hub.out"
site north
site south
say ""
say "Logs are in $LOG. Ctrl-C ends all of it."
wait "$HUB_PROCESS"
