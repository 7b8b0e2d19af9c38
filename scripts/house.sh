#!/usr/bin/env bash
# Formatting and the rules of the house that clippy cannot know: dependencies, licences, who may depend
# on whom, file heads and lengths, documents that must match the code. First the checks' own tests.
# `house.sh --write` also puts what is generated (the table of limits) into the documents.
. "$(dirname "$0")/lib.sh"

code=0
if [ "${1:-}" != --write ]; then
    cargo fmt --all --check -- -l || { say "^ not formatted: cargo fmt -p CRATE"; code=1; }
fi
cd scripts
python3 -m unittest discover --start-directory . --top-level-directory . --pattern 'test_*.py' || code=1
python3 -m house "$PROJECT" "$@" || code=1
exit "$code"
