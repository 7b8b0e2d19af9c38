#!/usr/bin/env bash
# `make test`: every part in turn (the stories beside other tests), each part's time and counts in a table at the end,
# and as the last line how many tests passed. A part that fails does not stop the ones after it. `test.sh PART` runs one.
#
# Tests that miss a tool or the recordings say so by name and count as skipped; with CI=true they fail.
# Clippy rides along with the one build (clippy-driver as the compiler's wrapper): a separate
# `cargo clippy` would check every dependency a second time, see CONTRIBUTING.md for the measurement.
. "$(dirname "$0")/lib.sh"

ALL=(setup ui house build unit firmware stories agent)
LOGS="$SETUP/logs"
mkdir -p "$LOGS"

CARGO_FLAGS=()
[ "${CI:-}" != true ] || CARGO_FLAGS=(--locked)
export CLIPPY_ARGS="-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__"
export SITEWARDEN_TESTDATA="${SITEWARDEN_TESTDATA:-}"
[ -n "$SITEWARDEN_TESTDATA" ] || unset SITEWARDEN_TESTDATA

linted() { RUSTC_WORKSPACE_WRAPPER=clippy-driver cargo "$@"; }

part_setup() { scripts/setup.sh all && cargo fetch --quiet "${CARGO_FLAGS[@]}"; }

part_ui() {
    [ -f gateway/ui/package.json ] || { say "gateway/ui: not there"; return 0; }
    scripts/ui.sh check
}

part_house() { scripts/house.sh; }

part_build() { linted test "${CARGO_FLAGS[@]}" --workspace --all-targets --no-run; }

# Unit and property tests: everything but the stories, which are a part of their own.
part_unit() {
    local targets=() name code=0
    while read -r name; do targets+=(--test "$name"); done < <(integration_tests)
    linted test "${CARGO_FLAGS[@]}" --workspace --no-fail-fast --lib --bins "${targets[@]}" || code=$?
    linted test "${CARGO_FLAGS[@]}" --workspace --no-fail-fast --doc || code=$?
    return "$code"
}

part_stories() {
    local elf
    elf="$(firmware_elf)"
    SITEWARDEN_FIRMWARE="$elf" linted test "${CARGO_FLAGS[@]}" --workspace --test stories
}

# The agent's firmware as an ELF file, for stories with a real agent: built already by the part before, else now. A
# machine without its toolchain has none; then these stories say that they are skipped (and fail in CI).
firmware_elf() { sh agent-nostd/firmware/build.sh 2>"$LOGS/firmware-build.log" | tail -n 1 || true; }

part_agent() {
    [ -f agent-nostd/Cargo.toml ] || { say "agent-nostd: not there"; return 0; }
    # Its stories need the firmware as an ELF file and the Python peers.
    local elf root="$PWD"
    elf="$(sh agent-nostd/firmware/build.sh | tail -n 1)"
    (cd agent-nostd && cargo fmt --all --check \
        && SITEWARDEN_FIRMWARE="$elf" SITEWARDEN_PYTHON="$root/.venv/bin/python" linted test "${CARGO_FLAGS[@]}" --workspace)
}

part_firmware() {
    [ -d agent-nostd/firmware ] || { say "agent-nostd/firmware: not there"; return 0; }
    scripts/firmware.sh && say "1 passed, 0 failed"
}

# The integration tests of all crates (gateway/*/tests/NAME.rs), the stories left out.
integration_tests() {
    cargo metadata --format-version 1 --no-deps "${CARGO_FLAGS[@]}" | python3 -c '
import json, sys
targets = [t for p in json.load(sys.stdin)["packages"] for t in p["targets"]]
print(*sorted({t["name"] for t in targets if "test" in t["kind"]} - {"stories"}), sep="\n")' | sed '/^$/d'
}

# run_part NAME: runs it with its output on screen and in a log; outcome, wall and CPU seconds go to a file beside it.
run_part() {
    local name="$1" code=0 begin end cpu_begin word=ok
    printf '\n== %s\n' "$name"
    begin="$(date +%s)"
    cpu_seconds "$name"
    cpu_begin="$CPU"
    # Not `part_x || code=..`: that would switch `set -e` off inside the part.
    set +e
    (set -e; "part_$name") </dev/null > >(tee "$LOGS/$name.log") 2>&1
    code=$?
    set -e
    wait
    end="$(date +%s)"
    cpu_seconds "$name"
    [ "$code" = 0 ] || word=FAILED
    printf '%s\n' "$name $word $((end - begin)) $((CPU - cpu_begin)) $(python3 scripts/counts.py "$LOGS/$name.log")" >"$LOGS/$name.result"
}

# not_run NAME: the outcome of a part whose build failed.
not_run() {
    printf '\n== %s: not run, the build failed\n' "$1"
    printf '%s\n' "$1 not-run 0 0 0 0 0" >"$LOGS/$1.result"
}

failed() { grep -qs -e ' FAILED ' -e ' not-run ' "$LOGS/$1.result"; }
wanted() { case " ${WANTED[*]} " in *" $1 "*) ;; *) return 1 ;; esac; }

# Stories wait for processes more than they compute, the other tests compute: on two cores they run side by side, each
# side in a shell of its own. What the other side prints follows when both are done, so that lines do not mix.
side_by_side() {
    local name code=0
    printf '\n== beside the stories: %s (printed when they are done)\n' "$*"
    (for name in "$@"; do run_part "$name"; done) >"$LOGS/beside.log" 2>&1 &
    (run_part stories)
    wait $! || code=$?
    cat "$LOGS/beside.log"
    return "$code"
}

# Puts the CPU seconds of this shell's finished children, user and system, into CPU. No subshell: its
# own times would be told.
cpu_seconds() {
    times >"$LOGS/$1.times"
    CPU="$(awk 'NR == 2 { for (i = 1; i <= 2; i++) { split($i, t, /[ms]/); sum += t[1] * 60 + t[2] } printf "%d", sum }' "$LOGS/$1.times")"
}

summary() {
    local name word wall cpu passed failed skipped all_passed=0 all_failed=0 all_skipped=0 bad=()
    printf '\n%-10s %-7s %7s %7s %8s %7s %8s\n' part result 'wall s' 'CPU s' passed failed skipped
    for name in "${WANTED[@]}"; do
        # A part that left no outcome was broken off, which is a failure.
        read -r name word wall cpu passed failed skipped < <(cat "$LOGS/$name.result" 2>/dev/null || printf '%s\n' "$name FAILED 0 0 0 0 0")
        printf '%-10s %-7s %7d %7d %8d %7d %8d\n' "$name" "$word" "$wall" "$cpu" "$passed" "$failed" "$skipped"
        all_passed=$((all_passed + passed))
        all_failed=$((all_failed + failed))
        all_skipped=$((all_skipped + skipped))
        # A part that failed outside of any test (it did not compile, say) is a failure too.
        [ "$word" = ok ] || bad+=("$name")
        [ "$word" = ok ] || [ "$failed" != 0 ] || all_failed=$((all_failed + 1))
    done
    printf '%-10s %-7s %7d\n\n' total '' "$SECONDS"
    [ ${#bad[@]} = 0 ] || say "failed: ${bad[*]} (logs in .setup/logs)"
    say "$all_passed passed, $all_failed failed, $all_skipped skipped"
    [ ${#bad[@]} = 0 ]
}

SECONDS=0
WANTED=("$@")
[ ${#WANTED[@]} -gt 0 ] || WANTED=("${ALL[@]}")
for name in "${WANTED[@]}"; do
    declare -F "part_$name" >/dev/null || absent "part $name" "${ALL[*]}"
    rm -f "$LOGS/$name.result"
done
BESIDE=()
! wanted stories || ! wanted unit || { for name in unit agent; do ! wanted "$name" || BESIDE+=("$name"); done; }
for name in "${WANTED[@]}"; do
    case " ${BESIDE[*]} " in *" $name "*) continue ;; esac
    case "$name" in
        stories)
            if wanted build && failed build; then
                for name in unit stories; do ! wanted "$name" || not_run "$name"; done
                ! wanted agent || run_part agent
            elif [ ${#BESIDE[@]} -gt 0 ]; then
                side_by_side "${BESIDE[@]}"
            else
                run_part stories
            fi
            ;;
        unit) if wanted build && failed build; then not_run unit; else run_part unit; fi ;;
        *) run_part "$name" ;;
    esac
done
summary
