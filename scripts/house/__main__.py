"""Runs every check and prints its problems, then the counts: `python3 -m house ROOT [--write]`."""

import sys

from . import dependencies, documents, source
from .tree import Tree


def main():
    arguments = [word for word in sys.argv[1:] if word != "--write"]
    tree = Tree(arguments[0] if arguments else ".")
    if "--write" in sys.argv:
        documents.write_limits(tree)
    passed = failed = 0
    for check in [*dependencies.CHECKS, *source.CHECKS, *documents.CHECKS]:
        problems = check(tree)
        for problem in problems:
            print(f"{check.__name__}: {problem}", file=sys.stderr)
        passed, failed = passed + (not problems), failed + bool(problems)
    print(f"house: {passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
