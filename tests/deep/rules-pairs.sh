#!/usr/bin/env bash
# The rule engine against two naive evaluators that were written from the Sigma specification and share no code with
# it: 100,000 pairs of a rule and a single event, 100,000 of a correlation or filtered rule and an event of a stream.
set -euo pipefail
cd "$(dirname "$0")/../.."

SECONDS=0
cargo test -p sitewarden-detect --test naive --test naive_correlation -- --ignored
printf 'rules-pairs: ok in %d s\n' "$SECONDS"
