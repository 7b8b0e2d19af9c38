#!/usr/bin/env python3
"""Compares `rules_match` with rsigma on the same rules and events: matches and time, alternating.

usage: compare.py OURS PEER RULES_DIR EVENTS.ndjson [PAIRS]
Exit code 1 when the matches differ. Times are medians within a process; the ratio is the median over pairs.
"""
import json
import statistics
import subprocess
import sys

ours, peer, rules, events = sys.argv[1:5]
pairs = int(sys.argv[5]) if len(sys.argv) > 5 else 5


def run(program, *flags):
    command = [program, "--rules", rules, "--events", events, "--json", "--repeat", "5", *flags]
    return json.loads(subprocess.run(command, capture_output=True, check=False).stdout)


def keys(report):
    return {(match["event"], match["rule"]) for match in report["matches"]}


ratios, a, b = [], None, None
for _ in range(pairs):
    a = run(ours)
    b = min((run(peer, *flags) for flags in ([], ["--bloom"])), key=lambda report: report["us_per_event"])
    ratios.append(a["us_per_event"] / b["us_per_event"])
mine, theirs = keys(a), keys(b)
print(json.dumps({
    "lane": "rules.sigmahq", "ours": a["us_per_event"], "peer": "rsigma 0.26.0", "theirs": b["us_per_event"],
    "unit": "us/event", "ratio": statistics.median(ratios), "range": [min(ratios), max(ratios)], "goal": 0.1,
    "matches": len(mine), "only_ours": sorted(mine - theirs), "only_theirs": sorted(theirs - mine),
}))
sys.exit(mine != theirs)
