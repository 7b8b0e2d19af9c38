#!/usr/bin/env bash
# Installs what the project needs: `setup.sh build` for `make run`, `setup.sh all` for everything that `make test`
# needs, `setup.sh board` for the deep part of that name besides.
# The one list of what is installed is this script with the files in scripts/setup/. It starts from a
# Debian 12 that has only git and make, uses the machine's Rust and Node where they are new enough, and
# does nothing when the list has not changed since the last time.
. "$(dirname "$0")/lib.sh"

LEVEL="${1:-all}"
RUST_WANTED=1.94.0
NODE_WANTED=20.19.0
GO_WANTED=1.19
NODE_PACKAGE=node@22.23.3
PAHO_1=1.6.1
PAHO_2=2.2.0

# sections NAME...: the package names of these sections of apt.txt.
sections() {
    awk -v wanted=" $* " '/^\[/ { gsub(/[][]/, ""); on = index(wanted, " " $0 " "); next }
        on && NF && !/^#/ { print $1 }' scripts/setup/apt.txt
}

# Runs as root what installs packages.
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# Installs those of the named packages that are missing. Daemons that come along are not started:
# ports stay free, and stories start their own in private folders.
apt_install() {
    local missing=() package
    for package in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)" = installed ] || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    say "installing Debian packages: ${missing[*]}"
    command -v apt-get >/dev/null || die "this is not a Debian: install these by hand: ${missing[*]}"
    local guard=/usr/sbin/policy-rc.d made=no
    if [ ! -e "$guard" ]; then
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$guard" >/dev/null
        as_root chmod 755 "$guard"
        made=yes
    fi
    local code=0
    as_root apt-get -qq -o DPkg::Lock::Timeout=600 update || code=$?
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=600 install -y --no-install-recommends "${missing[@]}" \
        >"$SETUP/apt.log" 2>&1 || code=$?
    [ "$made" = no ] || as_root rm -f "$guard"
    [ "$code" = 0 ] || { tail -n 20 "$SETUP/apt.log" >&2; die "apt-get failed ($code)"; }
}

machine_rust() {
    local version
    version="$(rustc --version 2>/dev/null | awk '{ print $2 }')"
    [ -n "$version" ] && at_least "${version%%-*}" "$RUST_WANTED" \
        && cargo clippy --version >/dev/null 2>&1 && cargo fmt --version >/dev/null 2>&1
}

# Rust of the machine if it is new enough, else Debian's rustc-web, put in front of an older one.
setup_rust() {
    rm -f "$SETUP"/bin/{rustc,rustdoc,rustfmt,cargo,cargo-fmt,cargo-clippy,clippy-driver}
    machine_rust && return
    local rust tool
    mapfile -t rust < <(sections rust)
    apt_install "${rust[@]}"
    for tool in rustc rustdoc rustfmt cargo cargo-fmt cargo-clippy clippy-driver; do
        ln -sf "/usr/bin/$tool" "$SETUP/bin/$tool"
    done
    hash -r
    machine_rust || die "no Rust >= $RUST_WANTED with clippy and rustfmt, not even after installing ${rust[*]}"
}

machine_node() {
    local version
    version="$(node --version 2>/dev/null || true)"
    [ -n "$version" ] && at_least "${version#v}" "$NODE_WANTED" && command -v npm >/dev/null
}

# Node of the machine if it is new enough, else Debian's npm with the `node` package of npm.
setup_node() {
    rm -f "$SETUP"/bin/node
    machine_node && return
    local node
    mapfile -t node < <(sections node)
    apt_install "${node[@]}"
    if ! machine_node; then
        npm install --silent --no-audit --no-fund --prefix "$SETUP/node" "$NODE_PACKAGE"
        ln -sf "$SETUP/node/node_modules/node/bin/node" "$SETUP/bin/node"
        hash -r
    fi
    machine_node || die "no Node >= $NODE_WANTED, not even after installing ${node[*]} and $NODE_PACKAGE"
}

machine_go() {
    local version
    version="$(go env GOVERSION 2>/dev/null || true)"
    [ -n "$version" ] && at_least "${version#go}" "$GO_WANTED"
}

# Go of the machine if it is new enough, else Debian's; and the modules of the stories' notary.
setup_go() {
    local go
    if ! machine_go; then
        mapfile -t go < <(sections go)
        apt_install "${go[@]}"
        hash -r
        machine_go || die "no Go >= $GO_WANTED, not even after installing ${go[*]}"
    fi
    (cd tests/stories/peers/notary && go mod download)
}

# The tests' Python tools, and both generations of the Paho client, which cannot share one place.
setup_python() {
    [ -x .venv/bin/python ] || python3 -m venv .venv
    .venv/bin/pip install --quiet --disable-pip-version-check -r scripts/setup/requirements.txt
    .venv/bin/pip install --quiet --disable-pip-version-check --use-pep517 --upgrade --target .venv/paho-1 "paho-mqtt==$PAHO_1"
    .venv/bin/pip install --quiet --disable-pip-version-check --upgrade --target .venv/paho-2 "paho-mqtt==$PAHO_2"
}

# npm ci in a folder that has a lock file, unless that very lock file is what is installed.
setup_npm() {
    [ -f "$1/package-lock.json" ] || return 0
    cmp -s "$1/package-lock.json" "$1/node_modules/.sitewarden-lock" && return
    say "npm ci in $1"
    (cd "$1" && npm ci --silent --no-audit --no-fund)
    cp "$1/package-lock.json" "$1/node_modules/.sitewarden-lock"
}

# What the outcome depends on: this script, the lists, and which toolchains the machine has.
fingerprint() {
    {
        cat scripts/setup.sh scripts/setup/*.txt
        rustc --version 2>&1 || true
        node --version 2>&1 || true
        go version 2>&1 || true
        cat tests/stories/peers/notary/go.sum
    } | sha256sum | cut -d ' ' -f 1
}

case "$LEVEL" in build | all | board) ;; *) die "setup.sh build, setup.sh all, or setup.sh board" ;; esac
mkdir -p "$SETUP/bin"
export PATH="$SETUP/bin:$PATH"

STAMP="$SETUP/stamp-$LEVEL"
if [ "$(cat "$STAMP" 2>/dev/null || true)" != "$(fingerprint)" ]; then
    case "$LEVEL" in
        build) mapfile -t packages < <(sections build) ;;
        all) mapfile -t packages < <(sections build test) ;;
        board) mapfile -t packages < <(sections build test board) ;;
    esac
    apt_install "${packages[@]}"
    setup_rust
    setup_node
    [ "$LEVEL" = build ] || { setup_python; setup_go; }
    fingerprint >"$STAMP"
fi
setup_npm gateway/ui
[ "$LEVEL" = build ] || setup_npm tests/browser
