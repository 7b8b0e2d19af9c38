#!/usr/bin/env bash
# The web interface: `ui.sh build` makes gateway/ui/dist, which the binary embeds; `ui.sh check` type
# checks, tests and builds. npm packages come by the lock file only.
. "$(dirname "$0")/lib.sh"

MODE="${1:-build}"
case "$MODE" in build | check) ;; *) die "ui.sh build, or ui.sh check" ;; esac
[ -f gateway/ui/package-lock.json ] || die "gateway/ui is not there"
scripts/setup.sh build

# What is built from the same sources is kept: new file times would make cargo link the release binary again,
# which takes minutes.
sources() { find gateway/ui -type f -not -path '*/node_modules/*' -not -path "*/dist/*" -not -path "gateway/ui/shots/*" -print0 | sort -z | xargs -0 sha256sum | sha256sum; }
STAMP="$PROJECT/gateway/ui/node_modules/.built-from"
BUILT="$(sources)"
if [ "$MODE" = build ] && [ -f gateway/ui/dist/index.html ] && [ "$(cat "$STAMP" 2>/dev/null)" = "$BUILT" ]; then
    exit 0
fi
cd gateway/ui
if [ "$MODE" = check ]; then
    npm run --silent check
    npm run --silent test --if-present
fi
npm run --silent build
printf '%s\n' "$BUILT" >"$STAMP"
