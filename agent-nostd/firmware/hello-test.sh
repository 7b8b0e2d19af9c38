#!/bin/sh
# Starts the firmware in QEMU and checks that it says on the console that it runs.
#
# Usage: hello-test.sh [ELF]; without an argument it builds first. Exits 0 only if the line came within the time limit.
# It waits on the console's pipe, never on a clock.
set -eu

LIMIT_SECONDS=60
LINE='^sitewarden agent [0-9]'
HERE=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)

command -v qemu-system-arm >/dev/null || {
    echo "hello-test: qemu-system-arm is missing; install the package qemu-system-arm" >&2
    exit 1
}
elf=${1:-}
if [ -z "$elf" ]; then
    built=$("$HERE/build.sh") # a failed build ends the script here
    elf=$(printf '%s\n' "$built" | tail -n 1)
fi
work=$(mktemp -d)
qemu_pid=
cleanup() {
    [ -z "$qemu_pid" ] || kill "$qemu_pid" 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT INT TERM

mkfifo "$work/console"
qemu-system-arm -machine mps2-an386 -cpu cortex-m4 -display none -monitor none \
    -semihosting-config enable=on,target=native,arg=agent,arg="$work/flash.bin" \
    -serial null -serial stdio -kernel "$elf" </dev/null >"$work/console" 2>"$work/qemu.err" &
qemu_pid=$!

if timeout "$LIMIT_SECONDS" grep -a -m 1 "$LINE" <"$work/console"; then
    echo "hello-test: ok"
else
    echo "hello-test: no line matching '$LINE' within $LIMIT_SECONDS s" >&2
    cat "$work/qemu.err" >&2
    exit 1
fi
