#!/usr/bin/env python3
"""Compares two programs that match Sigma rules: the same rules must load, the same rules match the same events.

usage: rules_rsigma.py OURS PEER FOLDER
FOLDER has rules-1000.tar.zst and events as *.ndjson.zst, one JSON object a line. An event with `_rule` names the id
of the rule that it was recorded for; when that rule is among those that load, it must match.
"""
import json
import pathlib
import re
import subprocess
import sys
import tempfile

# Differences that are argued from the specification: (rule id) -> why. Nothing is excused without a reason here.
ARGUED: dict[str, str] = {}


def run(program, rules, events):
    command = [program, "--rules", rules, "--events", events, "--json"]
    return json.loads(subprocess.run(command, capture_output=True, check=False).stdout)


def matches(report):
    return {(match["event"], match["rule"]) for match in report["matches"]}


ours, peer, folder = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
wrong = []
with tempfile.TemporaryDirectory() as temporary:
    subprocess.run(["tar", "--zstd", "-xf", folder / "rules-1000.tar.zst", "-C", temporary], check=True)
    rules = pathlib.Path(temporary) / "rules"
    ids = set()
    for file in rules.rglob("*.yml"):
        ids.update(re.findall(r"^id:\s*(\S+)", file.read_text(), re.MULTILINE))
    for packed in sorted(folder.glob("*.ndjson.zst")):
        events = pathlib.Path(temporary) / packed.stem
        subprocess.run(["zstd", "-q", "-d", packed, "-o", events], check=True)
        mine, theirs = run(ours, rules, events), run(peer, rules, events)
        for failed in mine["errors"]:
            wrong.append(f"does not load here: {failed}")
        for failed in theirs["errors"]:
            print(f"does not load in the peer: {failed}")
        only_mine, only_theirs = matches(mine) - matches(theirs), matches(theirs) - matches(mine)
        for side, keys in (("here", only_mine), ("in the peer", only_theirs)):
            for event, rule in sorted(keys):
                line = f"{packed.stem}: event {event} matches {rule} only {side}"
                if rule in ARGUED:
                    print(f"{line}: {ARGUED[rule]}")
                else:
                    wrong.append(line)
        asked = met = 0
        for number, line in enumerate(events.read_text().splitlines(), 1):
            rule = json.loads(line).get("_rule")
            if rule in ids:
                asked += 1
                met += (number, rule) in matches(mine)
                if (number, rule) not in matches(mine):
                    wrong.append(f"{packed.stem}: event {number} does not match its own rule {rule}")
        print(
            f"{packed.stem}: {mine['events']} events, {mine['rules']} rules, {len(matches(mine))} matches, "
            f"{met} of {asked} recorded for one of them"
        )
print(*wrong, sep="\n")
sys.exit(1 if wrong else 0)
