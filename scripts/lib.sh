#!/usr/bin/env bash
# Shared by the scripts; sourced, never run. Enters the project's folder and puts the tools that
# `make setup` chose in front of the machine's own.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
PROJECT="$PWD"
SETUP="$PROJECT/.setup"

[ ! -d "$SETUP/bin" ] || export PATH="$SETUP/bin:$PATH"
# Debian puts the servers' own programs outside of an ordinary user's PATH.
export PATH="$PATH:/usr/sbin:/sbin"

# The folder that cargo builds into.
TARGET="${CARGO_TARGET_DIR:-$PROJECT/target}"
export TARGET

say() { printf '%s\n' "$*"; }

die() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

# at_least HAVE WANT: is version HAVE (numbers and dots) at least WANT?
at_least() {
    [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]
}

# absent WHAT KNOWN: the answer to a part, lane or target that does not exist.
absent() {
    die "$1 is not there. What there is: ${2:-nothing yet}"
}
