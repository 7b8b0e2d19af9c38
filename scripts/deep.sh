#!/usr/bin/env bash
# `make test-deep PART=name`: the long tests, one part of at most 60 minutes at a time. A part is a
# script tests/deep/NAME.sh; what is not there is not there, and asking for it fails.
. "$(dirname "$0")/lib.sh"

PARTS="$(cd tests/deep 2>/dev/null && ls -- *.sh 2>/dev/null | sed 's/\.sh$//' | tr '\n' ' ' || true)"
[ -n "${1:-}" ] || die "which part? make test-deep PART=name. What there is: ${PARTS:-nothing yet}"
[ -f "tests/deep/$1.sh" ] || absent "part $1" "$PARTS"
scripts/setup.sh all
say "part $1, commit $(git rev-parse --short HEAD), $(date -u +%FT%TZ)"
exec bash "tests/deep/$1.sh"
