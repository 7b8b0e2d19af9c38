#!/usr/bin/env bash
# tests/bench/hub/run.sh LANE [--pairs N] [--sites N] [--batches N]: lane hub.ingest. Builds the hub, starts a PostgreSQL of its own with
# its shipped settings, and measures records per second from request to commit against COPY of the same rows.
. "$(dirname "$0")/../../../scripts/lib.sh"

# A hub that is built already, for trying the generator.
if [ -z "${SITEWARDEN_HUB_BINARY:-}" ]; then
    cargo build --quiet --release --locked --bin sitewarden-hub >&2
    SITEWARDEN_HUB_BINARY="$TARGET/release/sitewarden-hub"
fi
FOLDER="$(mktemp -d /var/tmp/sitewarden-bench-XXXXXX)"
chmod 711 "$FOLDER"
trap 'scripts/postgres.sh stop "$FOLDER/postgres" || true; rm -rf "$FOLDER"' EXIT
scripts/postgres.sh start "$FOLDER/postgres" >&2
ulimit -n "$(ulimit -Hn)"
.venv/bin/python tests/bench/hub/ingest.py --root "$PROJECT" --hub "$SITEWARDEN_HUB_BINARY" --postgres "$FOLDER/postgres" --state "$FOLDER/state" "$@"
