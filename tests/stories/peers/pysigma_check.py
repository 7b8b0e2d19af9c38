#!/usr/bin/env python3
"""Reads every rule of a folder as pySigma reads it, with its validators, and resolves references.

usage: pysigma_check.py DIR
Prints one line for each problem and `N rules` at the end; exit code 1 when there was a problem. Nothing here knows
Sitewarden: `x-edge` and `tests` are custom fields, which the Sigma specification allows.
"""
import pathlib
import sys

from sigma.collection import SigmaCollection
from sigma.conversion.base import Backend  # noqa: F401  (its import loads what conditions need)
from sigma.rule import SigmaRule

files = sorted(pathlib.Path(sys.argv[1]).rglob("*.yml"))
problems = []
try:
    collection = SigmaCollection.load_ruleset(files, collect_errors=True)
    collection.resolve_rule_references()
except Exception as error:  # whatever pySigma says is the answer
    print(f"{type(error).__name__}: {error}")
    sys.exit(1)
rules = list(collection)
for rule in rules:
    problems += [f"{rule.source}: {rule.title}: {error}" for error in rule.errors]
    if isinstance(rule, SigmaRule):
        for condition in rule.detection.parsed_condition:
            try:
                condition.parsed
            except Exception as error:
                problems.append(f"{rule.source}: {rule.title}: {error}")
    for name in ("description", "falsepositives", "id", "level", "status"):
        if not getattr(rule, name, None):
            problems.append(f"{rule.source}: {rule.title}: no {name}")
print(*problems, sep="\n")
print(f"{len(rules)} rules")
sys.exit(1 if problems else 0)
