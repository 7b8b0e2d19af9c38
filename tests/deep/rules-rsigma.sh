#!/usr/bin/env bash
# The rule engine against rsigma on public rules and real events: the same matches, or a difference that
# rules_rsigma.py argues. Needs SITEWARDEN_TESTDATA (sigma/ in it); without it the part is skipped, with CI=true it fails.
set -euo pipefail
cd "$(dirname "$0")/../.."

if [ -z "${SITEWARDEN_TESTDATA:-}" ]; then
    echo "skipped: rules-rsigma (no SITEWARDEN_TESTDATA)"
    [ "${CI:-}" != true ]
    exit
fi
SECONDS=0
target="${CARGO_TARGET_DIR:-$PWD/target}"
cargo build --release -p sitewarden-detect --example rules_match
(cd tests/bench/peers/rsigma \
    && CARGO_TARGET_DIR="$target/peer-rsigma" cargo build --release --locked --ignore-rust-version)
python3 tests/deep/rules_rsigma.py "$target/release/examples/rules_match" \
    "$target/peer-rsigma/release/rsigma-peer" "$SITEWARDEN_TESTDATA/sigma"
printf 'rules-rsigma: ok in %d s\n' "$SECONDS"
