#!/usr/bin/env bash
# R1 at depth: 200 kills at seeded instants under QoS 1 and 2 load, by the story that `make test` runs with 20.
set -euo pipefail
cd "$(dirname "$0")/../.."

# Compiled as `make test` compiles it, so that what it left is taken.
export CLIPPY_ARGS="-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__" RUSTC_WORKSPACE_WRAPPER=clippy-driver
SITEWARDEN_KILLS=200 cargo test --workspace --test stories -- --exact \
    durability::killed_at_any_instant_nothing_acknowledged_is_lost_and_qos_2_is_exactly_once
