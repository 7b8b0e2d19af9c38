#!/usr/bin/env bash
# The tests that say `#[ignore = "deep tier: .."]`: the same properties as in `make test` at greater depth. Only the
# crates that have such tests are compiled.
set -euo pipefail
cd "$(dirname "$0")/../.."

mapfile -t packages < <(cargo metadata --format-version 1 --no-deps | python3 -c '
import json, pathlib, sys
for package in json.load(sys.stdin)["packages"]:
    folder = pathlib.Path(package["manifest_path"]).parent
    # The slices lie inside of the folder of the gateway.
    own = [file for part in ("src", "tests") for file in (folder / part).glob("**/*.rs")]
    if any("#[ignore = \"deep tier: " in file.read_text() for file in own):
        print(package["name"])')
[ ${#packages[@]} -gt 0 ]
cargo test --release "${packages[@]/#/--package=}" --lib --tests -- --ignored
