#!/usr/bin/env bash
# `make audit`: cargo-deny over deny.toml with advisories. By hand, where the advisory database is to be
# had: it says the database's date. Licences, bans and sources are checked without it by `make lint`.
. "$(dirname "$0")/lib.sh"

command -v cargo-deny >/dev/null || die "cargo-deny is not there: cargo install --locked cargo-deny"
DB="${CARGO_HOME:-$HOME/.cargo}/advisory-dbs"
cargo deny --all-features check
for folder in "$DB"/*/; do
    [ ! -d "$folder" ] || say "advisory database of $(git -C "$folder" log -1 --format=%cs): $(basename "$folder")"
done
