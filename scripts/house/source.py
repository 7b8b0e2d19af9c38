"""Checks on the source itself: file heads and lengths, where the gate is made, words that must not stand.

Line based, no parser: rustfmt's layout is relied on, and what clippy can say is left to clippy.
"""

import re

from .tree import is_test_file, without_tests

LINES = 400
HEAD_LINES = 1
TEXT = r".*\.(rs|toml|md|sh|py|ts|js|mjs|svelte|css|html|json|yml|yaml|sql|cedar|cedarschema|service)|Makefile|\.ci/run"
RUST = r".*\.rs"


def file_heads(tree):
    """Each Rust file starts with `//!`: what it is, what it is not, what must hold."""
    problems = []
    for name in tree.matching(RUST):
        lines = tree.read(name).splitlines()
        head = next((number for number, line in enumerate(lines) if not line.startswith("//!")), len(lines))
        if head < (1 if is_test_file(name) else HEAD_LINES):
            problems.append(f"{name}:1: {head} lines of `//!` at the head, {HEAD_LINES} wanted")
    return problems


def file_lengths(tree):
    """At most 400 lines that are not tests."""
    problems = []
    for name in tree.matching(RUST):
        if is_test_file(name):
            continue
        lines = sum(1 for line in without_tests(tree.read(name)) if line.strip())
        if lines > LINES:
            problems.append(f"{name}: {lines} lines without tests, at most {LINES}: split it by subject")
    return problems


def gate_made_once(tree):
    """`Gate::new` stands in app.rs (and in tests) alone: whoever makes a gate decides who may."""
    problems = []
    for name in tree.matching(RUST):
        if is_test_file(name) or name in ("gateway/src/app.rs", "gateway/core/src/gate.rs"):
            continue
        for number, line in enumerate(without_tests(tree.read(name)), start=1):
            if re.search(r"\bGate::(new|default)\b|\bGate \{", line) and not line.lstrip().startswith("//"):
                problems.append(f"{name}:{number}: a Gate is made outside of app.rs")
    return problems


def no_left_overs(tree):
    """No words for an open end: it is an issue, not a comment."""
    return _lines(tree, TEXT, re.compile(r"\b(TO" r"DO|FIX" r"ME|HA" r"CK)\b"), "an open end belongs into an issue")


def no_foreign_places(tree):
    """No paths of one person's machine and no hosts of package registries, which differ from place to place."""
    hosts = ["crates" r"\.io", "npm" r"js\.(org|com)", "py" r"pi\.org", "python" "hosted", r"proxy\.go" "lang", "debian" r"\.org"]
    places = [r"(?<![\w.])/wo" r"rk/", r"(?<![\w./])/ro" r"ot/", r"(?<![\w.])/ho" r"me/\w"]
    return _lines(tree, TEXT, re.compile("|".join(hosts + places)), "a place that exists on some machines only")


def no_sleep_in_tests(tree):
    """Tests wait for what they need (tests/stories/support/wait.rs), never for a time."""
    problems = []
    for name in tree.matching(RUST):
        if not is_test_file(name) or name in ("tests/stories/support/wait.rs", "hub/tests/receiver/support/wait.rs") or name.startswith("tests/bench/"):
            continue
        for number, line in enumerate(tree.read(name).splitlines(), start=1):
            if re.search(r"\bsleep\(", line):
                problems.append(f"{name}:{number}: a test sleeps: use wait_for")
    return problems


def no_ignored_tests(tree):
    """A test that cannot run says so by name; only what `make test-deep PART=ignored` runs is left out."""
    pattern = re.compile(r"^\s*#\[ignore(?! = \"deep tier: )")
    return _lines(tree, RUST, pattern, "a test is switched off; `deep tier: ..` says that the deep part runs it")


def errors_name_their_cause(tree):
    """No `#[from]` on io and database errors: the variant says what was tried on what."""
    pattern = re.compile(r"#\[from\]\s*(std::)?(io|rusqlite)::Error")
    return _lines(tree, RUST, pattern, "name what was tried, with the cause as #[source]")


def clippy_settings_agree(tree):
    """Clippy reads the nearest file only: what the root says, each crate's own file repeats."""
    if "clippy.toml" not in tree.files:
        return []
    house = tree.toml("clippy.toml")
    problems = []
    for name in tree.matching(r"gateway/\w+/clippy\.toml"):
        own = tree.toml(name)
        for key, value in house.items():
            if key != "disallowed-methods" and own.get(key) != value:
                problems.append(f"{name}: {key} differs from the root's {value}")
        paths = {entry["path"] for entry in own.get("disallowed-methods", [])}
        for entry in house["disallowed-methods"]:
            crate = entry["path"].split("::")[0]
            if entry["path"] not in paths and crate == "std":
                problems.append(f"{name}: disallowed-methods lacks the root's {entry['path']}")
    return problems


def scripts_are_strict(tree):
    """Every script says what it does and stops at the first error."""
    problems = []
    for name in [*tree.matching(r"(scripts|tests)/.*\.sh"), *tree.matching(r"\.ci/run")]:
        text = tree.read(name)
        if not re.match(r"#!/usr/bin/env bash\n# \S", text):
            problems.append(f"{name}:1: no `#!/usr/bin/env bash` with a head comment below")
        if "set -euo pipefail" not in text and "/lib.sh" not in text:
            problems.append(f"{name}: no `set -euo pipefail`, neither itself nor by lib.sh")
    return problems


def _lines(tree, files, pattern, what):
    """A problem for each line of these files that the pattern finds."""
    problems = []
    for name in tree.matching(files):
        if name.endswith("Cargo.lock") or name.startswith("scripts/house/test_"):
            continue
        for number, line in enumerate(tree.read(name).splitlines(), start=1):
            if found := pattern.search(line):
                problems.append(f"{name}:{number}: `{found[0].strip()}`: {what}")
    return problems


CHECKS = [
    file_heads,
    file_lengths,
    gate_made_once,
    no_left_overs,
    no_foreign_places,
    no_sleep_in_tests,
    no_ignored_tests,
    errors_name_their_cause,
    clippy_settings_agree,
    scripts_are_strict,
]
