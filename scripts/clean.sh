#!/usr/bin/env bash
# `make clean`: removes what was built and installed inside this folder. State of a demo site (run/) goes
# too; Debian packages stay, for they are the machine's.
. "$(dirname "$0")/lib.sh"

rm -rf target run .venv "$SETUP" gateway/ui/dist gateway/ui/node_modules tests/browser/node_modules \
    agent-nostd/target agent-nostd/firmware/target tests/bench/peers/*/target
