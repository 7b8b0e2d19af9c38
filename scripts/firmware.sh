#!/usr/bin/env bash
# The agent's firmware: builds it and starts it once in QEMU, which must greet and end well.
# It needs Debian's Rust, which brings the sources of libcore (see agent-nostd/firmware).
. "$(dirname "$0")/lib.sh"

TEST=agent-nostd/firmware/hello-test.sh
[ -f "$TEST" ] || absent "the firmware's test ($TEST)"
bash "$TEST"
