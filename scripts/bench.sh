#!/usr/bin/env bash
# `make bench LANE=name`: figures against peers in the same run; asserts nothing. The lanes and how they
# are measured stand in tests/bench; this only installs what they need and calls them.
. "$(dirname "$0")/lib.sh"

[ -n "${1:-}" ] || die "which lane? make bench LANE=name"
[ -f tests/bench/run.sh ] || absent "lane $1"
scripts/setup.sh all
exec bash tests/bench/run.sh "$@"
