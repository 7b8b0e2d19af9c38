#!/usr/bin/env bash
# `make run`: installs what is missing, builds interface and binary, starts the demo site in a state
# folder of its own (run/demo). The program prints the https address and the set-up code.
. "$(dirname "$0")/lib.sh"

scripts/setup.sh build
scripts/ui.sh build
cargo build --release --bin sitewarden
# The program makes the folder itself, for its owner alone.
mkdir -p run
exec "$TARGET/release/sitewarden" run --demo --state run/demo "$@"
