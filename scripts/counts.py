"""Reads the output of one part of `make test` and prints `passed failed skipped`.

Knows the closing lines of cargo test, Python's unittest, node's test runner and the plain
`N passed, N failed`. It judges nothing: whether a part failed is its exit code.
"""

import re
import sys


def counts(text):
    """Sums up every closing line in the text."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    passed = failed = skipped = 0
    for line in text.splitlines():
        if found := re.match(r"test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored", line):
            passed, failed, skipped = add((passed, failed, skipped), found.groups())
        elif found := re.match(r"(?:\w+: )?(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", line):
            passed, failed, skipped = add((passed, failed, skipped), found.groups())
        elif found := re.match(r"Ran (\d+) tests? in ", line):
            passed += int(found[1])
        elif found := re.match(r"FAILED \((.*)\)|OK \((.*)\)", line):
            for kind, number in re.findall(r"(failures|errors|skipped)=(\d+)", line):
                passed -= int(number)
                if kind == "skipped":
                    skipped += int(number)
                else:
                    failed += int(number)
        elif found := re.match(r"(?:#|ℹ) (pass|fail|skipped) (\d+)$", line):
            number = int(found[2])
            passed += number if found[1] == "pass" else 0
            failed += number if found[1] == "fail" else 0
            skipped += number if found[1] == "skipped" else 0
    # The stories say by name what they skip (tests/stories/support).
    by_name = len(re.findall(r"^skipped: ", text, re.MULTILINE))
    return passed - by_name, failed, skipped + by_name


def add(sums, found):
    return tuple(have + int(more or 0) for have, more in zip(sums, found))


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8", errors="replace") as log:
        print(*counts(log.read()))
