#!/usr/bin/env bash
# The web interface: `ui.sh build` makes gateway/ui/dist, which the binary embeds; `ui.sh check` type
# checks, tests and builds. npm packages come by the lock file only.
. "$(dirname "$0")/lib.sh"

MODE="${1:-build}"
case "$MODE" in build | check) ;; *) die "ui.sh build, or ui.sh check" ;; esac
[ -f gateway/ui/package-lock.json ] || die "gateway/ui is not there"
scripts/setup.sh build
cd gateway/ui
if [ "$MODE" = check ]; then
    npm run --silent check
    npm run --silent test --if-present
fi
npm run --silent build
