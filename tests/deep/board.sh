#!/usr/bin/env bash
# The board's contract suite over the kernel's own simulated hardware, in a virtual machine: GPIO lines by gpio-sim,
# a thermometer by i2c-stub, read directly and through the kernel's lm75 driver.
#
# The kernel is Debian's, unpacked and not installed. It lacks gpio-sim, which is built here out of Debian's kernel
# source against its headers; the interrupt simulator that gpio-sim stands on goes into the same module.
set -euo pipefail
cd "$(dirname "$0")/../.."
scripts/setup.sh board

WORK="$(mktemp -d)"
trap 'rm -rf "$WORK"' EXIT
HEADERS="$(find /usr/src -maxdepth 1 -name 'linux-headers-*-amd64' | sort -V | tail -n 1)"
RELEASE="${HEADERS#/usr/src/linux-headers-}"
SOURCE="$(find /usr/src -maxdepth 1 -name 'linux-source-*.tar.xz' | sort -V | tail -n 1)"
echo "kernel $RELEASE, source $SOURCE"

# The module.
mkdir "$WORK/module"
tar -xJf "$SOURCE" -C "$WORK/module" --strip-components=3 --wildcards \
    '*/drivers/gpio/gpio-sim.c' '*/drivers/gpio/gpiolib.h' '*/kernel/irq/irq_sim.c'
# irq_to_desc is not exported to modules; the same by what is.
sed -i 's/irq_to_desc(irqnum)/irq_data_to_desc(irq_get_irq_data(irqnum))/' "$WORK/module/irq_sim.c"
printf 'obj-m := gpio-sim-bench.o\ngpio-sim-bench-y := gpio-sim.o irq_sim.o\n' >"$WORK/module/Kbuild"
make -s -C "$HEADERS" M="$WORK/module" modules

# The kernel and its modules.
(cd "$WORK" && apt-get -qq download "linux-image-$RELEASE" && dpkg-deb -x linux-image-*.deb image)

# The suite, and a root file system that holds it.
SUITE="$(cargo build --quiet -p sitewarden-board --example contract --message-format=json \
    | python3 -c 'import json, sys
for line in sys.stdin:
    item = json.loads(line)
    if item.get("executable") and item["target"]["name"] == "contract":
        print(item["executable"])')"
ROOT="$WORK/root"
mkdir -p "$ROOT"/{bin,dev,proc,sys,config,modules}
cp /bin/busybox "$ROOT/bin/busybox"
cp "$SUITE" "$ROOT/bin/contract"
ldd "$SUITE" | grep -o '/[^ ]*' | while read -r library; do
    mkdir -p "$ROOT$(dirname "$library")"
    cp -L "$library" "$ROOT$library"
done
cp "$WORK/module/gpio-sim-bench.ko" "$ROOT/modules/"
for name in configfs i2c-dev i2c-stub regmap-i2c lm75; do
    found="$(find "$WORK/image/lib/modules" -name "$name.ko*" | head -n 1)"
    [ -z "$found" ] || cp "$found" "$ROOT/modules/"
done
cat >"$ROOT/init" <<'INIT'
#!/bin/busybox sh
# Inside the machine: load, make the bench, run the suite, switch off.
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in configfs gpio-sim-bench i2c-dev regmap-i2c; do
    [ ! -f "/modules/$module.ko" ] || insmod "/modules/$module.ko" || echo "module $module was not loaded"
done
insmod /modules/i2c-stub.ko chip_addr=0x48,0x49 || echo "module i2c-stub was not loaded"
insmod /modules/lm75.ko || echo "module lm75 was not loaded"
mount -t configfs config /config
mkdir -p /config/gpio-sim/bench/bank0
echo 8 >/config/gpio-sim/bench/bank0/num_lines
echo bench-gpio >/config/gpio-sim/bench/bank0/label
echo 1 >/config/gpio-sim/bench/live
for adapter in /sys/class/i2c-adapter/*; do
    grep -q stub "$adapter/name" && echo lm75 0x49 >"$adapter/new_device"
done
/bin/contract
poweroff -f
INIT
chmod 755 "$ROOT/init"
(cd "$ROOT" && find . | cpio --quiet -o -H newc | gzip -1 >"$WORK/initrd.gz")

# Interpreted, not by KVM: where this runs in a virtual machine itself, the inner one may hang without a word.
timeout 900 qemu-system-x86_64 -machine accel=tcg -cpu max -m 512 -nographic -no-reboot -nic none \
    -kernel "$WORK/image/boot/vmlinuz-$RELEASE" -initrd "$WORK/initrd.gz" \
    -append "console=ttyS0 panic=-1 quiet" </dev/null | tr -d '\r' | tee "$WORK/console"
grep -qx 'contract kept' "$WORK/console" || { echo "the contract was not kept, or the machine did not come so far" >&2; exit 1; }
