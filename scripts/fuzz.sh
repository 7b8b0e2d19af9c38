#!/usr/bin/env bash
# `make fuzz TARGET=name`: drives one fuzz body by cargo-fuzz for FUZZ_SECONDS (default 600), in a target
# folder of its own, because the variable that lets a stable compiler use the sanitizer spoils the cache.
# `make test` replays the kept inputs through the same bodies without any of this.
. "$(dirname "$0")/lib.sh"

NAMES="$(ls tests/fuzz/fuzz_targets 2>/dev/null | sed 's/\.rs$//' | tr '\n' ' ' || true)"
[ -n "${1:-}" ] || die "which target? make fuzz TARGET=name. What there is: ${NAMES:-nothing yet}"
[ -f "tests/fuzz/fuzz_targets/$1.rs" ] || absent "target $1" "$NAMES"
scripts/setup.sh build
cargo fuzz --version >/dev/null 2>&1 || cargo install --locked --version 0.13.2 --root "$SETUP" cargo-fuzz
cd tests/fuzz
RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR="$TARGET/fuzz" cargo fuzz run "$1" --fuzz-dir . -- \
    -max_total_time="${FUZZ_SECONDS:-600}" -max_len=65536
