"""Checks that the documents say what the code is: paths, tests and limits that they name exist.

Every path in backticks exists, every test named as `path::name` is there, every row of FEATURES.md has a
known state. SECURITY.md: the table of limits is generated from the crates' limits.rs files
(`--write`) and must be what generating it again gives.
"""

import re

BEGIN, END = "<!-- limits: generated from limits.rs, do not edit -->", "<!-- limits: end -->"
DOCUMENTS = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "FEATURES.md", "CHANGELOG.md")
STATES = {"works", "partly", "planned"}
PATH = r"`((?:\.?[\w-]+/)*\.?[\w{},*-]+(?:\.(?:rs|md|toml|sh|py|json|sql|service|ts|svelte|yml))|(?:\.?[\w-]+/)+)`"


def named_paths(tree):
    """Each path in backticks in the documents exists."""
    problems = []
    for document in DOCUMENTS:
        for number, line in enumerate(_text(tree, document), start=1):
            for path in re.findall(PATH, line):
                if "NAME" not in path and "NNN" not in path and not list(tree.root.glob(path.rstrip("/"))):
                    problems.append(f"{document}:{number}: `{path}` does not exist")
    return problems


def named_tests(tree):
    """Each test that the documents name as `path::name` exists."""
    problems = []
    for document in DOCUMENTS:
        for number, line in enumerate(_text(tree, document), start=1):
            for path, name in re.findall(r"`([\w./-]+\.(?:rs|py|ts|mjs|sh))::([^`]+)`", line):
                if path not in tree.files:
                    problems.append(f"{document}:{number}: {path} does not exist")
                elif not _defines(tree.read(path), name):
                    problems.append(f"{document}:{number}: {path} has no test {name}")
    return problems


def feature_rows(tree):
    """FEATURES.md: each id once, a known state, and a test for what works."""
    problems, seen = [], set()
    for number, line in enumerate(_text(tree, "FEATURES.md"), start=1):
        row = re.match(r"\| ([A-Z]{2,3}-\d+) \| (\w+) \| (.*) \| (.*) \|$", line)
        if not row:
            if re.match(r"\| [A-Z]{2,3}-\d", line):
                problems.append(f"FEATURES.md:{number}: a row is `| id | state | what | test |`")
            continue
        identity, state, _, tests = row.groups()
        if identity in seen:
            problems.append(f"FEATURES.md:{number}: {identity} stands twice")
        seen.add(identity)
        if state not in STATES:
            problems.append(f"FEATURES.md:{number}: {identity} is {state!r}, not one of {sorted(STATES)}")
        elif state != "planned" and "::" not in tests:
            problems.append(f"FEATURES.md:{number}: {identity} {state}, but no test shows it")
    return problems


def limits_table(tree):
    """SECURITY.md has the limits that the code has."""
    text = "\n".join(_text(tree, "SECURITY.md"))
    if not text:
        return []
    if BEGIN not in text or END not in text:
        return [f"SECURITY.md: the markers of the limits table are missing ({BEGIN})"]
    written = text.split(BEGIN)[1].split(END)[0].strip().splitlines()
    wanted = limits_rows(tree)
    missing = [f"SECURITY.md: limit not in the table, or with another value or reason: {row}" for row in wanted if row not in written]
    stale = [f"SECURITY.md: in the table, not in the code: {row}" for row in written if row not in wanted]
    hint = ["SECURITY.md: run scripts/house.sh --write"] if missing or stale else []
    return missing + stale + hint


def limits_documented(tree):
    """Each constant of a limits.rs has a comment with unit and reason."""
    problems = []
    for name in tree.matching(LIMIT_FILES):
        for number, constant, _, comment in limits(tree.read(name)):
            if len(comment.split()) < 3:
                problems.append(f"{name}:{number}: {constant} has no unit and reason")
    return problems


def limits(text):
    """(line, name, value, comment) of the constants in a limits.rs."""
    comment, found, lines = [], [], text.splitlines()
    for number, line in enumerate(lines, start=1):
        if line.strip().startswith("///"):
            comment.append(line.strip()[3:].strip())
            continue
        if constant := re.match(r"\s*pub(?:\([\w: ]+\))? const (\w+): [^=]+ =(.*)", line):
            value, following = constant[2], number
            while ";" not in value and following < len(lines):
                value += " " + lines[following].strip()
                following += 1
            found.append((number, constant[1], value.split(";")[0].strip(), " ".join(comment)))
        if not line.strip().startswith("#["):
            comment = []
    return found


LIMIT_FILES = r"(gateway|agent-nostd|board|hub)/(.*/)?limits\.rs"


def limits_rows(tree):
    """The table in SECURITY.md, line by line."""
    rows = ["| where | limit | value | unit and reason |", "|---|---|---|---|"]
    for name in tree.matching(LIMIT_FILES):
        for _, constant, value, comment in limits(tree.read(name)):
            reason = re.sub(r"\[`([^`]*)`\]", r"`\1`", comment).replace("|", "\\|")
            rows.append(f"| {name.replace('/src/', '/').removesuffix('/limits.rs')} | `{constant}` | `{value}` | {reason} |")
    return rows


def write_limits(tree):
    """Puts the table of the code into SECURITY.md."""
    text = tree.read("SECURITY.md")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    body = "\n".join(limits_rows(tree))
    (tree.root / "SECURITY.md").write_text(f"{before}{BEGIN}\n{body}\n{END}{after}", encoding="utf-8")


def _text(tree, name):
    """Lines of a document, none if it is not there."""
    return tree.read(name).splitlines() if name in tree.files else []


def _defines(text, name):
    """Is there a test of this name: a function of Rust or Python, or a title in JavaScript?"""
    return bool(re.search(rf"\b(fn|def) {re.escape(name)}\b|[\"'`]{re.escape(name)}[\"'`]", text))


CHECKS = [named_paths, named_tests, feature_rows, limits_table, limits_documented]
