"""Rules and events of a site, made from a seed: 1,000 rules on sensor and network events.

Not tuned to either side: the mixture is what DESIGN.md's sites have, thresholds by device, by zone and by kind,
links and batteries, networks, text states; half of them with `x-edge`. rsigma knows no `x-edge`: it judges the
condition of those rules on every event, and only the rules without it are compared. Invariant: the same bytes
from the same seed.
"""
import json
import random
import uuid

KINDS = {
    "temperature": (4.0, 1.5, "Cel"), "humidity": (55.0, 6.0, "%RH"), "pressure": (1013.0, 4.0, "hPa"),
    "co2": (620.0, 60.0, "ppm"), "power": (740.0, 90.0, "W"), "vibration": (1.2, 0.3, "mm/s"),
    "flow": (12.0, 2.0, "l/min"), "level": (48.0, 7.0, "%"),
}
ZONES = [f"zone-{number:02}" for number in range(40)]
STATES = ["ok", "ok", "ok", "running", "idle", "self-test passed", "standby"]
FAULTS = ["sensor fault", "bus error", "calibration lost", "tamper switch", "low supply", "over range"]
SENSOR = "{product: iot, category: sensor_reading}"
NETWORK = "{product: iot, category: network}"


def devices(dice):
    made = []
    for number in range(500):
        kind = dice.choice(sorted(KINDS))
        made.append((f"{kind[:4]}-{number:04}", kind, dice.choice(ZONES)))
    return made


def bounds(kind, sigmas):
    mean, spread, _ = KINDS[kind]
    return round(mean - sigmas * spread, 2), round(mean + sigmas * spread, 2)


def detection(dice, form, site):
    """Log source, selections, condition and x-edge of one rule of the given form."""
    device, kind, zone = dice.choice(site)
    low, high = bounds(kind, dice.uniform(3.2, 4.5))
    if form == "zone-hold":
        clear_low, clear_high = bounds(kind, 2.5)
        edge = f"{{key: [device_id], for: {dice.choice([2, 5, 10])}m, clear: {{value|gte: {clear_low}, " \
               f"value|lte: {clear_high}}}, clear-for: 2m, max-gap: 10m}}"
        return SENSOR, {"selection": f"{{sensor_type: {kind}, zone: {zone}}}", "high": f"{{value|gt: {high}}}",
                        "low": f"{{value|lt: {low}}}"}, "selection and (high or low)", edge
    if form == "device-hold":
        return SENSOR, {"selection": f"{{device_id: {device}}}", "high": f"{{value|gte: {high}}}"}, \
            "selection and high", "{key: [device_id], for: 3m}"
    if form == "rate":
        return SENSOR, {"selection": f"{{sensor_type: {kind}, zone: {zone}}}"}, "selection", \
            f"{{key: [device_id], scope: selection, rate: {{field: value, per: 1m, gt: {KINDS[kind][1] * 40}}}}}"
    if form == "first-seen":
        return NETWORK, {"selection": f"{{zone: {zone}, proto: {dice.choice(['tcp', 'udp'])}}}"}, "selection", \
            "{first-seen: {key: [device_id], value: dst_ip, memory: 30d, learn: 7d}}"
    if form == "device":
        return SENSOR, {"selection": f"{{device_id: {device}, value|gt: {high}}}"}, "selection", None
    if form == "zone":
        return SENSOR, {"selection": f"{{sensor_type: {kind}, zone: [{zone}, {dice.choice(ZONES)}]}}",
                        "bad": f"[{{value|gt: {high}}}, {{value|lt: {low}}}]"}, "selection and bad", None
    if form == "kind":
        return SENSOR, {"selection": f"{{sensor_type: {kind}, value|gt: {high}}}",
                        "filter": f"{{zone: {zone}}}"}, "selection and not filter", None
    if form == "link":
        return SENSOR, {"selection": f"{{zone: {zone}, rssi|lt: {-dice.randint(92, 99)}}}",
                        "weak": f"{{battery|lt: {dice.randint(5, 9)}}}"}, "selection and weak", None
    if form == "state":
        word = dice.choice(FAULTS)
        how = dice.choice(["contains", "startswith", "endswith"])
        return SENSOR, {"selection": f"{{zone: {zone}, state|{how}: '{word}'}}"}, "selection", None
    network = f"10.{dice.randint(0, 30)}.{dice.randint(0, 255)}.0/24"
    return NETWORK, {"selection": f"{{dst_ip|cidr: {network}, dst_port: {dice.choice([22, 23, 445, 502, 3389])}}}",
                     "filter": f"{{zone: {zone}}}"}, "selection and not filter", None


FORMS = (["zone-hold"] * 300 + ["device-hold"] * 120 + ["rate"] * 50 + ["first-seen"] * 30
         + ["device"] * 150 + ["zone"] * 130 + ["kind"] * 60 + ["link"] * 50 + ["state"] * 50 + ["network"] * 60)


def rules(seed=11):
    """(file name, text, comparable with rsigma) of each rule."""
    dice = random.Random(seed)
    site = devices(random.Random(seed))
    made = []
    for number, form in enumerate(FORMS):
        source, selections, condition, edge = detection(dice, form, site)
        identity = uuid.UUID(int=dice.getrandbits(128), version=4)
        lines = [f"title: {form} {number}", f"id: {identity}", f"logsource: {source}", "detection:"]
        lines += [f"  {name}: {body}" for name, body in selections.items()]
        lines += [f"  condition: {condition}", "level: medium"]
        lines += [f"x-edge: {edge}"] if edge else []
        made.append((f"{number:04}-{form}.yml", "\n".join(lines) + "\n", str(identity) if not edge else None))
    return made


def events(count=20_000, seed=12):
    """JSON objects as sensors send them: a reading each, one in ten a connection."""
    dice = random.Random(seed)
    site = devices(random.Random(11))
    for number in range(count):
        device, kind, zone = dice.choice(site)
        time = f"2026-06-01T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}Z"
        common = {"time": time, "device_id": device, "product": "iot"}
        if dice.random() < 0.1:
            yield common | {"category": "network", "zone": zone, "src_ip": f"10.9.0.{dice.randint(1, 254)}",
                            "dst_ip": f"10.{dice.randint(0, 255)}.{dice.randint(0, 255)}.{dice.randint(1, 254)}",
                            "dst_port": dice.choice([53, 80, 123, 443, 1883, 8883, 22, 502]),
                            "proto": dice.choice(["tcp", "udp"]), "bytes": dice.randint(60, 90_000)}
            continue
        mean, spread, unit = KINDS[kind]
        state = dice.choice(FAULTS) if dice.random() < 0.002 else dice.choice(STATES)
        yield common | {"category": "sensor_reading", "sensor_type": kind, "zone": zone,
                        "value": round(dice.gauss(mean, spread), 2), "unit": unit, "battery": dice.randint(3, 100),
                        "rssi": -dice.randint(40, 98), "sequence": number, "state": state,
                        "topic": f"site/{zone}/{device}/{kind}", "trusted": True}


def write(folder):
    """Writes both into the folder; gives the ids of the rules that both sides can express."""
    (folder / "rules").mkdir()
    comparable = set()
    for name, text, identity in rules():
        (folder / "rules" / name).write_text(text)
        comparable |= {identity} - {None}
    with open(folder / "events.ndjson", "w", encoding="utf-8") as file:
        for event in events():
            file.write(json.dumps(event, separators=(",", ":")) + "\n")
    return comparable
