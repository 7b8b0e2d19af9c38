#!/usr/bin/env bash
# tests/bench/run.sh LANE [--pairs N] [--seconds S]: builds the generator, the peers and our release
# binary, and measures. Lanes: mqtt (fanin, fanout, latency, idle), pipe.latency, store.wear, start, uplink.drain, agent, hub (ingest, fleet),
# rules (sigmahq, site), all.
# Figures as JSON lines on standard output; the page for people is tests/bench/RESULTS.md.
# With --peers-only the peers alone are measured and no result is kept: it tries the generator.
. "$(dirname "$0")/../../scripts/lib.sh"

[ -n "${1:-}" ] || die "which lane? mqtt.fanin.qos0, mqtt.fanout.qos1, mqtt.latency, mqtt.idle, pipe.latency, store.wear, start, uplink.drain, agent, hub.ingest, hub.fleet, rules.sigmahq, rules.site, all"
# The lanes of the hub and of the rule engine need nothing of the others.
case "$1" in
hub | hub.*) exec bash tests/bench/hub/run.sh "$@" ;;
rules | rules.*) exec bash tests/bench/peers/rsigma/run.sh "$@" ;;
esac
[ "$1" = agent ] || command -v mosquitto >/dev/null || die "the peer mosquitto is missing: apt-get install mosquitto"

# Each is a workspace of its own, so that the product inherits nothing of them.
build() {
    say "building $1" >&2
    CARGO_TARGET_DIR="$TARGET/$2" cargo build --quiet --release --locked --manifest-path "$1/Cargo.toml" >&2
}
# The device's firmware twice: with its counters first, so that the product's stays in the target folder.
firmware() {
    say "building the firmware" >&2
    local elf
    mkdir -p "$TARGET/bench-state"
    elf="$(FIRMWARE_FEATURES=measure sh agent-nostd/firmware/build.sh 2>/dev/null | tail -n 1)"
    cp "$elf" "$TARGET/bench-state/agent-measured.elf"
    elf="$(sh agent-nostd/firmware/build.sh 2>/dev/null | tail -n 1)"
    cp "$elf" "$TARGET/bench-state/agent-product.elf"
}
case "$1" in
agent | all) firmware ;;
esac
build tests/bench/load bench-load
if [ "$1" = agent ]; then
    exec "$TARGET/bench-load/release/sitewarden-bench" --root "$PROJECT" --state "$TARGET/bench-state" agent
fi
build tests/bench/peers/rumqttd peer-rumqttd
case " $* " in
*" --peers-only "*) ;;
*)
    scripts/ui.sh build >&2
    cargo build --quiet --release --locked --bin sitewarden >&2
    ;;
esac

# 10,000 idle connections at both ends.
ulimit -n "$(ulimit -Hn)"
exec "$TARGET/bench-load/release/sitewarden-bench" --root "$PROJECT" --ours "$TARGET/release/sitewarden" \
    --rumqttd "$TARGET/peer-rumqttd/release/peer-rumqttd" --state "$TARGET/bench-state" "$@"
