#!/bin/sh
# Prints what the firmware takes of flash and RAM, and exits 1 if it exceeds the budget.
#
# Usage: size.sh [ELF]; without an argument it builds first. Flash and static data come from the ELF's sections. The stack is
# painted by the firmware and told on its console; the largest value needs a run of the whole story, which the test `qemu` of
# the agent does and prints ("static data and stack: N of .. bytes"); here the device only starts and asks to be enrolled.
set -eu

FLASH_LIMIT=65536
RAM_LIMIT=16384
LIMIT_SECONDS=60
HERE=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)

elf=${1:-}
if [ -z "$elf" ]; then
    built=$("$HERE/build.sh") # a failed build ends the script here
    elf=$(printf '%s\n' "$built" | tail -n 1)
fi
# section name, size, address, in decimal (GNU size and llvm-size agree on this form)
sections=$(size -A "$elf")
bytes() {
    printf '%s\n' "$sections" | awk -v names="$1" '
        BEGIN { split(names, list, " "); for (i in list) wanted[list[i]] = 1 }
        $1 in wanted { sum += $2 }
        END { print sum + 0 }'
}
flash=$(bytes ".vector_table .text .rodata .data .gnu.sgstubs")
static=$(bytes ".data .bss .uninit")

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
line=$(timeout "$LIMIT_SECONDS" grep -a -m 1 '^state ' <"$work/console") || {
    echo "size: the firmware did not tell its stack within $LIMIT_SECONDS s" >&2
    exit 1
}
stack=$(printf '%s\n' "$line" | sed 's/.* stack \([0-9]*\).*/\1/')
ram=$((static + stack))
echo "flash $flash of $FLASH_LIMIT bytes"
echo "ram $ram of $RAM_LIMIT bytes at the start (static $static, stack $stack)"
[ "$flash" -le "$FLASH_LIMIT" ] && [ "$ram" -le "$RAM_LIMIT" ]
