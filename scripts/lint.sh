#!/usr/bin/env bash
# `make lint`: formatting, clippy over every target with warnings as errors, house checks.
# Clippy is the compiler's wrapper here as in test.sh, so that both share one build.
. "$(dirname "$0")/lib.sh"

scripts/house.sh
export CLIPPY_ARGS="-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__"
RUSTC_WORKSPACE_WRAPPER=clippy-driver cargo test --quiet --workspace --all-targets --no-run
