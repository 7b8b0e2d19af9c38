#!/bin/sh
# Builds the agent's firmware for mps2-an386 and prints the path of the ELF file as the last line.
#
# A toolchain that brings the target's libcore is preferred; else Debian's compiler builds libcore from its own
# sources (packages rustc-web, cargo-web, rust-web-src, lld). Override with FIRMWARE_TOOLCHAIN=rustup|debian.
# FIRMWARE_FEATURES=measure makes the build that counts its instructions, for the bench.
# Output: $CARGO_TARGET_DIR, default firmware/mps2-an386/target.
set -eu

TARGET=thumbv7em-none-eabi
HERE=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
cd "$HERE/mps2-an386"
: "${CARGO_TARGET_DIR:=$HERE/mps2-an386/target}"
export CARGO_TARGET_DIR
# Whoever lints the workspace through a wrapper means the workspace: another compiler does not know it.
unset RUSTC_WORKSPACE_WRAPPER

has_libcore() {
    sysroot=$(rustc --print sysroot 2>/dev/null) || return 1
    ls "$sysroot/lib/rustlib/$TARGET/lib/"libcore-*.rlib >/dev/null 2>&1
}

toolchain=${FIRMWARE_TOOLCHAIN:-}
if [ -z "$toolchain" ]; then
    if has_libcore; then toolchain=rustup; else toolchain=debian; fi
fi

# The compact software SHA-512 and no precomputed tables: flash is scarcer than time on the device. Functions whose machine
# code is the same are kept once.
size_flags='-C link-arg=--icf=all --cfg sha2_backend="soft" --cfg sha2_backend_soft="compact"'
size_flags="$size_flags --cfg curve25519_dalek_backend=\"serial\""

features=${FIRMWARE_FEATURES:-}
case $toolchain in
rustup)
    RUSTFLAGS="-C link-arg=-Tlink.x $size_flags" \
        cargo build --release --locked --features "$features" --target "$TARGET"
    ;;
debian)
    for tool in /usr/bin/rustc /usr/bin/cargo /usr/bin/ld.lld /usr/src/rustc-*/library/core/Cargo.toml; do
        [ -e "$tool" ] || {
            echo "firmware: $tool is missing; install the packages rustc-web cargo-web rust-web-src lld" >&2
            exit 1
        }
    done
    # libcore is built here anyway: a panic in it stops at once, without the text that nobody would see (2 KB).
    size_flags="$size_flags -Z unstable-options -C panic=immediate-abort"
    RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 RUSTFLAGS="-C link-arg=-Tlink.x -C linker=ld.lld $size_flags" \
        /usr/bin/cargo build --release --locked --features "$features" -Zbuild-std=core --target "$TARGET"
    ;;
*)
    echo "firmware: FIRMWARE_TOOLCHAIN is rustup or debian, not $toolchain" >&2
    exit 2
    ;;
esac
echo "$CARGO_TARGET_DIR/$TARGET/release/sitewarden-mps2-an386"
