#!/usr/bin/env bash
# The tests that say `#[ignore = "deep tier: .."]`: the same properties as in `make test` at greater depth.
set -euo pipefail
cd "$(dirname "$0")/../.."

SITEWARDEN_WITHOUT_UI=1 cargo test --release --workspace --lib --bins --tests -- --ignored
