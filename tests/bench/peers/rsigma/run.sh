#!/usr/bin/env bash
# tests/bench/peers/rsigma/run.sh LANE [--pairs N]: lanes rules, rules.sigmahq, rules.site: builds both
# sides and measures. Called by tests/bench/run.sh. SITEWARDEN_TESTDATA names the folder of test data.
. "$(dirname "$0")/../../../../scripts/lib.sh"

lane="$1"
pairs=5
[ "${2:-}" != --pairs ] || pairs="$3"
DATA="${SITEWARDEN_TESTDATA:-}"
case "$lane" in
rules.site*) ;;
*) [ -d "$DATA/sigma" ] || die "lane $lane needs SITEWARDEN_TESTDATA: a folder with sigma/ (rules and events)" ;;
esac

say "building rsigma (a workspace of its own)" >&2
CARGO_TARGET_DIR="$TARGET/peer-rsigma" cargo build --quiet --release --locked --ignore-rust-version \
    --manifest-path tests/bench/peers/rsigma/Cargo.toml >&2
CARGO_TARGET_DIR="$TARGET/bench-load" cargo build --quiet --release --locked \
    --manifest-path tests/bench/load/Cargo.toml >&2
# The crate alone, in the profile of the release: the code that `sitewarden rules match` calls.
cargo build --quiet --release --locked -p sitewarden-detect --example rules_match >&2

python3 -B tests/bench/peers/rsigma/lanes.py "$lane" "$TARGET/release/examples/rules_match" \
    "$TARGET/peer-rsigma/release/rsigma-peer" "${DATA:-none}" "$pairs" |
    "$TARGET/bench-load/release/sitewarden-bench" --root "$PROJECT" --state "$TARGET/bench-state" --record "$lane"
