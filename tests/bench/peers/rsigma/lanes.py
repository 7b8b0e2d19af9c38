#!/usr/bin/env python3
"""Lanes `rules.*`: the rule engine against rsigma on the same rules and events, in pairs, alternating.

usage: lanes.py LANE OURS PEER DATA [PAIRS]   (DATA: the folder with the test data, for rules.sigmahq)
Both sides go from JSON bytes to (rule id, event) in one process of their own, several rounds each; a side's figure
is the median of its rounds, a lane's the median of the pairs' ratios. rsigma runs in the configuration that was
fastest in three rounds before. Figures go to standard output as JSON lines. Exit code 1 when the matches differ.
"""
import json
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import uuid

import site_rules

CONFIGURATIONS = ([], ["--bloom"], ["--cross"])
PEER = "rsigma 0.26.0"


def run(program, rules, events, *flags, repeat=7):
    command = [program, "--rules", str(rules), "--events", str(events), "--json", "--repeat", str(repeat), *flags]
    done = subprocess.run(command, capture_output=True, check=False)
    if not done.stdout:
        sys.exit(f"{' '.join(command)}: {done.stderr.decode(errors='replace')}")
    return json.loads(done.stdout)


def figure(lane, unit, pairs, goal=None, limit=None, note=""):
    ratios = [ours / theirs for ours, theirs in pairs]
    return {
        "lane": lane, "ours": statistics.median(ours for ours, _ in pairs), "peer": PEER,
        "theirs": statistics.median(theirs for _, theirs in pairs), "unit": unit, "ratio": statistics.median(ratios),
        "range": [min(ratios), max(ratios)], "goal": goal, "higher": False, "limit": limit, "pairs": len(pairs),
        "note": note,
    }


def measure(lane, goal, ours, peer, folder, pairs, comparable=None):
    """The figures of one set of rules and events; exits when the matches differ."""
    rules, events = folder / "rules", folder / "events.ndjson"
    tried = {tuple(flags): [run(peer, rules, events, *flags, repeat=3)["us_per_event"] for _ in range(3)]
             for flags in CONFIGURATIONS}
    fastest = min(tried, key=lambda flags: statistics.median(tried[flags]))
    speed, explained, load = [], [], []
    for number in range(pairs):
        print(f"{lane}: pair {number + 1} of {pairs}", file=sys.stderr)
        mine = run(ours, rules, events)
        theirs = run(peer, rules, events, *fastest)
        told = run(ours, rules, events, "--explain")
        speed.append((mine["us_per_event"], theirs["us_per_event"]))
        explained.append((told["us_per_event"], theirs["us_per_event"]))
        load.append((mine["load_ms"], theirs["load_ms"]))
    if mine["errors"] or theirs["errors"]:
        sys.exit(f"{lane}: did not load: {mine['errors'][:3]} {theirs['errors'][:3]}")
    found = [{(match["event"], match["rule"]) for match in report["matches"]
              if comparable is None or match["rule"] in comparable} for report in (mine, told, theirs)]
    if found[0] != found[2] or found[1] != found[2]:
        sys.exit(f"{lane}: only ours: {sorted(found[0] - found[2])[:5]}, only theirs: {sorted(found[2] - found[0])[:5]}")
    note = f"{mine['rules']} rules, {mine['events']} events, the same {len(found[0])} matches" \
           f"{'' if comparable is None else f' of the {len(comparable)} rules without x-edge'}; " \
           f"rsigma with {' '.join(fastest) or 'no optional index'}"
    yield figure(lane, "us/event", speed, goal, note=note)
    yield figure(f"{lane}.explained", "us/event", explained,
                 note="each match with its explanation (atoms, values, event, rule); rsigma as above, without")
    if mine["rules"] >= 3000:
        yield figure("rules.load.3000", "ms", load, limit=1000)


def sigmahq(data, folder, copies):
    """The public rules, each `copies` times under new ids, and the recorded events."""
    source = pathlib.Path(data) / "sigma"
    subprocess.run(["tar", "--zstd", "-xf", source / "rules-1000.tar.zst", "-C", folder], check=True)
    with open(folder / "events.ndjson", "wb") as file:
        for name in ("events-windows", "events-per-rule"):
            subprocess.run(["zstd", "-dcq", source / f"{name}.ndjson.zst"], stdout=file, check=True)
    for path in sorted((folder / "rules").rglob("*.yml")):
        text = path.read_text(encoding="utf-8")
        for copy in range(1, copies):
            def other(match, copy=copy):
                return f"id: {uuid.uuid5(uuid.NAMESPACE_OID, f'{match[1]} {copy}')}"
            changed = re.sub(r"^name: .*\n", "", re.sub(r"^id: *(\S+)", other, text, flags=re.M), flags=re.M)
            path.with_suffix(f".{copy}.yml").write_text(changed, encoding="utf-8")


def main():
    lane, ours, peer, data = sys.argv[1:5]
    pairs = int(sys.argv[5]) if len(sys.argv) > 5 else 5
    figures = []
    for name, copies in (("rules.sigmahq", 1), ("rules.sigmahq.3000", 3)):
        if name.startswith(lane):
            with tempfile.TemporaryDirectory() as folder:
                folder = pathlib.Path(folder)
                sigmahq(data, folder, copies)
                figures += measure(name, 0.1, ours, peer, folder, pairs)
    if "rules.site".startswith(lane):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            comparable = site_rules.write(folder)
            figures += measure("rules.site", 0.04, ours, peer, folder, pairs, comparable)
    if not figures:
        sys.exit(f"no lane {lane}: rules, rules.sigmahq, rules.site")
    for made in figures:
        print(json.dumps(made))


main()
