#!/usr/bin/env bash
# `make run-fleet`: the hub, two demo sites that are registered with it, and an agent: the firmware in QEMU, enrolled at the first site,
# with a rule of its own and something to tell. On free ports. Prints the addresses and the agent's finding as the hub has it, then runs
# until it is ended (Ctrl-C); everything that it started ends with it. Begins anew each time: run/fleet is emptied, the database is
# thrown away.
#   SITEWARDEN_BINARY, SITEWARDEN_HUB_BINARY, SITEWARDEN_FIRMWARE  what is built already
. "$(dirname "$0")/lib.sh"

if [ -z "${SITEWARDEN_BINARY:-}" ] || [ -z "${SITEWARDEN_HUB_BINARY:-}" ]; then
    scripts/setup.sh build
    scripts/ui.sh build
    cargo build --release --bin sitewarden --bin sitewarden-hub
fi
export SITEWARDEN_HUB_BINARY="${SITEWARDEN_HUB_BINARY:-$TARGET/release/sitewarden-hub}"
SITEWARDEN="${SITEWARDEN_BINARY:-$TARGET/release/sitewarden}"
if [ -z "${SITEWARDEN_FIRMWARE:-}" ]; then
    SITEWARDEN_FIRMWARE="$(sh agent-nostd/firmware/build.sh | tail -n 1)"
fi
command -v qemu-system-arm >/dev/null || die "qemu-system-arm is missing: make setup"

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

# Agents over TCP: what QEMU makes of its serial line.
[agents]
listen = "127.0.0.1:0"
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

# ready NAME KEY: what a site's program said when it was ready.
ready() {
    python3 - "$LOG/$1.out" "$2" <<'END'
import json, sys
print(next(json.loads(line) for line in open(sys.argv[1]) if '"ready":true' in line)[sys.argv[2]])
END
}

# An agent at this site: enrolled by the code that it shows, with a rule (humidity above 60 %), in a room that is damp.
agent() {
    local site="$1" folder="$FLEET/agent" state="$FLEET/$1/state" line id device key _
    mkdir -p "$folder"
    # Tamper contact and humidity in thousandths of a per cent; write other numbers into this file to play with it.
    echo "0 45000" >"$folder/inputs"
    line="$(ready "$site" agents)"
    qemu-system-arm -machine mps2-an386 -cpu cortex-m4 -display none -monitor none \
        -semihosting-config "enable=on,target=native,arg=agent,arg=$folder/flash,arg=$folder/inputs" \
        -device tmp105,address=0x48 -chardev "socket,id=line,host=${line%:*},port=${line##*:},reconnect=1" \
        -serial chardev:line -serial stdio -kernel "$SITEWARDEN_FIRMWARE" >"$LOG/agent.out" 2>"$LOG/agent.log" </dev/null &
    id=$!
    STARTED+=("$id")
    until_said "$LOG/agent.out" "^code " "$id"
    "$SITEWARDEN" enrol agent "$(sed -n 's/^code //p' "$LOG/agent.out" | head -n 1)" --name "Cold room" --state "$state" >>"$LOG/agent.log" 2>&1 \
        || { tail -n 3 "$LOG/agent.log" >&2; die "the agent was not enrolled"; }
    until_said "$LOG/agent.out" "^device " "$id"
    device="agent:$(sed -n 's/^device //p' "$LOG/agent.out" | tr -d '\r' | head -n 1)"
    key="$("$SITEWARDEN" api-key create --role owner --name run-fleet --state "$state" --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["key"])')"
    # It is enrolled when it comes over its line. The key by standard input: arguments are seen by everybody on the machine.
    for _ in $(seq 300); do
        printf 'header = "Authorization: Bearer %s"\n' "$key" | curl --silent --fail --config - --cacert "$state/ca.pem" \
            --request PUT --header "Content-Type: application/json" --output /dev/null \
            --data '{"report_ms": 5000, "rules": [{"id": 4, "sensor": 1, "check": "above", "limit": 60000, "clear": 55000, "hold_ms": 300}]}' \
            "$(ready "$site" https)/api/v1/agents/$device/parameters" && break
        sleep 0.2
    done
    until_said "$LOG/agent.out" "^state .*parameters [2-9]" "$id"
    echo "0 70000" >"$folder/inputs.new" && mv "$folder/inputs.new" "$folder/inputs"
    until_said "$LOG/agent.out" "^state alarm .*queued 0" "$id"
    say "Agent $device at $site; its inputs: $folder/inputs"
}

# The agent's finding as the hub shows it to an operator: signed by the agent, covered by the site's checkpoint.
finding() {
    HUB_ADDRESS="$HUB_ADDRESS" HUB_CA="$HUB_CA" python3 - "$SITEWARDEN_HUB_FOLDER/account" <<'END'
import http.client, json, os, ssl, sys, time, urllib.parse
account = dict(line.strip().split(": ", 1) for line in open(sys.argv[1]) if ": " in line)
address = urllib.parse.urlsplit(os.environ["HUB_ADDRESS"])
hub = http.client.HTTPSConnection(address.hostname, address.port, context=ssl.create_default_context(cafile=os.environ["HUB_CA"]))
headers = {"Content-Type": "application/json", "X-Sitewarden": "1"}
hub.request("POST", "/v1/session", json.dumps({"login": account["Login"], "password": account["Password"]}), headers)
answer = hub.getresponse()
answer.read()
headers["Cookie"] = answer.headers["Set-Cookie"].split(";")[0]
for _ in range(300):
    hub.request("GET", "/v1/findings?signature=verified", headers=headers)
    found = json.loads(hub.getresponse().read())["items"]
    if found and found[0]["proven"]:
        one = found[0]
        print(f"On the hub    {one['title']!r} at {one['site_name']}, {one['status']}: signed by agent {one['agent']}, covered by the site's checkpoint")
        break
    time.sleep(0.2)
else:
    sys.exit("run-fleet.sh: the agent's finding did not reach the hub within a minute")
hub.request("DELETE", "/v1/session", headers=headers)
END
}

say ""
say "Hub           $HUB_ADDRESS"
sed -n -e 's/^Login: /  login       /p' -e 's/^Password: /  password    /p' "$LOG/hub.out"
site north
site south
agent north
finding
say ""
say "Logs are in $LOG. Ctrl-C ends all of it."
wait "$HUB_PROCESS"
