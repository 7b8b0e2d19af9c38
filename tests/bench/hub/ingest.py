"""Lane hub.ingest: records per second that the hub takes, against COPY of the same rows into a table of the same columns and key.

Both in the same run on the same PostgreSQL with its default settings, alternating; the median of the pairs' ratios counts. The hub's
part is whole: TLS with each site's certificate, zstd, leaf hashes, one checkpoint a batch, findings, one durable commit a batch. COPY
reads its rows from a binary file on the server, in one transaction. Lane hub.fleet states batches per second when every batch comes over a
connection of its own, handshake included. Figures as JSON lines on standard output, kept in tests/bench/results.jsonl.
"""

import argparse
import base64
import datetime
import hashlib
import http.client
import json
import pathlib
import resource
import ssl
import statistics
import subprocess
import time
import urllib.parse
import uuid
from concurrent.futures import ThreadPoolExecutor

import zstandard
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

RECORDS = 1_000
THREADS = 4
ORIGIN = "sitewarden.example/site/bench"
GOAL = 0.5


class Log:
    """One log that all sites have: its batches, compressed, with their checkpoints."""

    def __init__(self, batches, records):
        key = ed25519.Ed25519PrivateKey.generate()
        public = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        key_hash = hashlib.sha256(f"{ORIGIN}\n".encode() + b"\x01" + public).digest()[:4]
        public_text = base64.b64encode(b"\x01" + public).decode()
        self.key = f"{ORIGIN}+{key_hash.hex()}+{public_text}"
        self.batches, peaks, size = [], [], 0
        for batch in range(batches):
            texts = []
            for seq in range(batch * records + 1, (batch + 1) * records + 1):
                micros = 1_790_000_000_000_000 + seq * 1_000_000
                kind, body = record(seq)
                moment = datetime.datetime.fromtimestamp(micros // 1_000_000, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
                texts.append(f'{{"seq":"{seq}","time":"{moment}","kind":"{kind}","body":{body}}}')
                data = seq.to_bytes(8) + micros.to_bytes(8) + len(kind).to_bytes(4) + kind.encode() + body.encode()
                push(peaks, size, hashlib.sha256(b"\0" + data).digest())
                size += 1
            text = f"{ORIGIN}\n{size}\n{base64.b64encode(root(peaks)).decode()}\n"
            note = f"{text}\n\u2014 {ORIGIN} {base64.b64encode(key_hash + key.sign(text.encode())).decode()}\n"
            body = f'{{"first":"{batch * records + 1}","records":[{",".join(texts)}],"checkpoint":{json.dumps(note)}}}'
            self.batches.append(zstandard.compress(body.encode(), 3))
            self.raw = len(body)


def record(seq):
    """One in ten tells a finding with its evidence, as a gateway writes it; the others are acts and sightings."""
    if seq % 10:
        return "device.seen", json.dumps({"actor": "system", "device": f"mqtt:sensor-{seq % 97}", "address": f"10.0.{seq % 250}.7",
                                          "first": False, "note": hashlib.sha256(str(seq).encode()).hexdigest()})
    evidence = {"reason": f"temperature {seq % 30}.5 > 8 for 300 s", "events": [{"value": seq % 30, "time": seq, "topic": f"site/cold/{seq % 50}"} for _ in range(4)]}
    return "finding.raised", json.dumps({"actor": "system", "id": str(seq), "rule_id": "cold-room-temperature", "title": "Cold room too warm",
                                         "summary": "9.1 C for 5 min", "severity": "high", "status": "open", "asset": f"mqtt:cold-{seq % 50}",
                                         "asset_name": f"Cold room {seq % 50}", "techniques": [], "count": 1, "demo": False, "evidence": evidence})


def push(peaks, size, node):
    while size & 1:
        node = hashlib.sha256(b"\1" + peaks.pop() + node).digest()
        size >>= 1
    peaks.append(node)


def root(peaks):
    node = peaks[-1]
    for left in reversed(peaks[:-1]):
        node = hashlib.sha256(b"\1" + left + node).digest()
    return node


class Server:
    """The hub and its database."""

    def __init__(self, options):
        self.options = options
        self.psql("postgres", "CREATE ROLE hub_owner LOGIN; CREATE ROLE hub_server LOGIN;")
        self.psql("postgres", "CREATE DATABASE hub OWNER hub_owner")
        self.url = lambda user: f"host={options.postgres} user={user} dbname=hub"
        hub = [options.hub, "migrate", "--owner-database", self.url("hub_owner"), "--serve-as", "hub_server"]
        subprocess.run(hub, check=True, stdout=subprocess.DEVNULL)
        self.psql("hub", f"INSERT INTO hub.tenant (id, name) VALUES ('{uuid.UUID(int=1)}', 'bench')")
        self.process = subprocess.Popen(
            [options.hub, "serve", "--json", "--listen", "127.0.0.1:0", "--state", options.state, "--database", self.url("hub_server")],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        ready = json.loads(self.process.stdout.readline())
        address = urllib.parse.urlsplit(ready["address"])
        self.host, self.port, self.ca = address.hostname, address.port, ready["ca"]

    def psql(self, database, sql):
        command = ["psql", "-h", self.options.postgres, "-U", "admin", "-d", database, "--no-psqlrc", "-qtA", "-v", "ON_ERROR_STOP=1", "-c", sql]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def register(self, sites, log_key):
        """Writes sites and gateways as a registration does; the claims themselves are not what is measured."""
        rows = [f"INSERT INTO hub.site (id, tenant, name, log_key) VALUES ('{site.id}', '{uuid.UUID(int=1)}', '{site.id}', '{log_key}');"
                f"INSERT INTO hub.gateway (id, tenant, site, key_hash, version) VALUES ('{site.id}', '{uuid.UUID(int=1)}', '{site.id}', '\\x{site.key_hash}', '1');"
                for site in sites]
        for begin in range(0, len(rows), 200):
            self.psql("hub", "".join(rows[begin:begin + 200]))

    def empty(self):
        self.psql("hub", "TRUNCATE hub.record, hub.log_block, hub.finding; UPDATE hub.site SET size = 0, frontier = '', checkpoint_size = 0, checkpoint = NULL")
        self.psql("hub", "CHECKPOINT")


class Site:
    """A gateway: its certificate and its connection."""

    def __init__(self, folder, number):
        self.id, key = uuid.uuid4(), ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"gateway {number}")])
        begin = datetime.datetime(2026, 1, 1)
        made = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(number + 1)
                .not_valid_before(begin).not_valid_after(begin + datetime.timedelta(days=3650)).sign(key, hashes.SHA256()))
        public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        self.key_hash = hashlib.sha256(public).hexdigest()
        private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        self.file = folder / f"{number}.pem"
        self.file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)

    def connect(self, server):
        context = ssl.create_default_context(cafile=server.ca)
        context.load_cert_chain(self.file)
        self.line = http.client.HTTPSConnection(server.host, server.port, context=context, timeout=60)
        self.line.connect()

    def push(self, packed):
        self.line.request("POST", "/v1/batches", packed, {"Content-Type": "application/json", "Content-Encoding": "zstd"})
        answer = self.line.getresponse()
        text = answer.read()
        assert answer.status == 200, text


def ours(server, sites, log):
    """Records per second over connections that stand already, and the generator's share of one core."""
    for site in sites:
        site.connect(server)
    begin, cpu = time.monotonic(), time.process_time()
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda site: [site.push(packed) for packed in log.batches], sites))
    took, used = time.monotonic() - begin, time.process_time() - cpu
    for site in sites:
        site.line.close()
    return len(sites) * len(log.batches) * RECORDS / took, used / took


def theirs(server, rows, file):
    """Records per second of COPY."""
    server.psql("hub", "DROP TABLE IF EXISTS public.copied; CREATE TABLE public.copied (LIKE hub.record INCLUDING ALL)")
    server.psql("hub", "CHECKPOINT")
    begin = time.monotonic()
    server.psql("hub", f"COPY public.copied FROM '{file}' (FORMAT binary)")
    took = time.monotonic() - begin
    assert int(server.psql("hub", "SELECT count(*) FROM public.copied")) == rows
    return rows / took


def fleet(server, sites, log):
    """Batches per second when each site connects for one batch."""
    def visit(site):
        site.connect(server)
        site.push(log.batches[0])
        site.line.close()
    begin, cpu = time.monotonic(), time.process_time()
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(visit, sites))
    took, used = time.monotonic() - begin, time.process_time() - cpu
    return len(sites) / took, used / took


def tell(options, figure):
    commit = subprocess.run(["git", "-C", options.root, "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    cpu = next((line.split(": ")[1] for line in open("/proc/cpuinfo") if line.startswith("model name")), "unknown").strip()
    figure |= {"higher": True, "limit": None, "commit": commit, "machine": f"{cpu}, {len(__import__('os').sched_getaffinity(0))} cores"}
    print(json.dumps(figure), flush=True)
    if options.keep:
        store = pathlib.Path(options.root) / "tests/bench/results.jsonl"
        kept = [line for line in store.read_text().splitlines() if json.loads(line)["lane"] != figure["lane"]]
        store.write_text("".join(f"{line}\n" for line in sorted([*kept, json.dumps(figure, separators=(",", ":"))])))


def main():
    parser = argparse.ArgumentParser()
    for name in ("root", "hub", "postgres", "state"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("lane", choices=["hub", "hub.ingest", "hub.fleet"])
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--sites", type=int, default=100)
    parser.add_argument("--batches", type=int, default=10)
    parser.add_argument("--fleet", type=int, default=10_000)
    parser.add_argument("--keep", action="store_true", help="put the figures into tests/bench/results.jsonl")
    options = parser.parse_args()
    server = Server(options)
    folder = pathlib.Path(options.state) / "gateways"
    folder.mkdir(parents=True)
    version = server.psql("postgres", "SHOW server_version").split()[0]
    try:
        if options.lane in ("hub", "hub.ingest"):
            log = Log(options.batches, RECORDS)
            sites = [Site(folder, number) for number in range(options.sites)]
            server.register(sites, log.key)
            rows, file, pairs, used = options.sites * options.batches * RECORDS, f"{options.postgres}/rows.bin", [], []
            for pair in range(options.pairs + 1):
                server.empty()
                rate, generator = ours(server, sites, log)
                if pair == 0:
                    # The first run warms both and gives the rows to copy.
                    server.psql("hub", f"COPY (SELECT * FROM hub.record) TO '{file}' (FORMAT binary)")
                    theirs(server, rows, file)
                    continue
                pairs.append((rate, theirs(server, rows, file)))
                used.append(generator)
            ratios = [a / b for a, b in pairs]
            note = f"generator used {statistics.median(used):.0%} of a core" + (": generator-bound" if statistics.median(used) > 0.8 else "")
            note += f"; {options.sites} sites, batches of {RECORDS} records ({log.raw} bytes, {len(log.batches[-1])} compressed)"
            tell(options, {"lane": "hub.ingest", "ours": statistics.median(a for a, _ in pairs), "peer": f"COPY, PostgreSQL {version}",
                           "theirs": statistics.median(b for _, b in pairs), "unit": "records/s", "ratio": statistics.median(ratios),
                           "range": [min(ratios), max(ratios)], "goal": GOAL, "pairs": len(pairs), "note": note})
        if options.lane in ("hub", "hub.fleet"):
            log = Log(1, 20)
            sites = [Site(folder, 1_000_000 + number) for number in range(options.fleet)]
            server.register(sites, log.key)
            rate, generator = fleet(server, sites, log)
            note = f"{options.fleet} sites, one handshake and 20 records each; generator used {generator:.0%} of a core; stated, no peer"
            print(json.dumps({"lane": "hub.fleet", "ours": rate, "unit": "sites/s", "note": note}), flush=True)
        memory = next(line.split()[1] for line in open(f"/proc/{server.process.pid}/status") if line.startswith("VmHWM"))
        size = server.psql("hub", "SELECT pg_total_relation_size('public.copied')") if options.lane != "hub.fleet" else "0"
        print(json.dumps({"lane": "hub.memory", "ours": int(memory) * 1024, "unit": "bytes at most", "note": f"table of the copied rows: {size} bytes"}), flush=True)
    finally:
        server.process.terminate()
        server.process.wait()


resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
main()
