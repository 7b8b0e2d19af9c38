#!/usr/bin/env python3
"""One pair of the lane uplink.drain: the gateway drains its backlog, then curl posts the same batches.

usage: drain.py --ours BINARY --state FOLDER --records N
Prints one JSON document. The log is filled by the documented format (records and RFC 6962 leaf hashes), not by the
product's code. Both sides post to the same place, one after the other: TLS 1.3 with a client certificate, one connection;
each body is unpacked to find its last record, and answered with the next one. The gateway's time begins with the answer to its
registration, which a person asks for once; curl's with its start.
"""

import argparse
import hashlib
import http.server
import json
import os
import shutil
import signal
import sqlite3
import ssl
import subprocess
import sys
import threading
import time

import zstandard

BODY = (
    '{{"actor":"system:pipeline","id":"{0}","rule_id":"9f6b6d5e-0d5c-4c7b-9d53-{0:012d}","title":"Cold store too warm",'
    '"severity":"high","status":"open","asset":"mqtt:thermo-{1}","asset_name":"Thermometer {1}","count":1,"demo":false,'
    '"evidence":"{2}"}}'
)


def leaf(seq, micros, kind, body):
    kind = kind.encode()
    record = seq.to_bytes(8, "big") + micros.to_bytes(8, "big") + len(kind).to_bytes(4, "big") + kind + body
    return hashlib.sha256(b"\0" + record).digest()


def fill(database, count):
    """Appends records and moves the tree, as the log's format says."""
    conn = sqlite3.connect(database)
    size, frontier = conn.execute("SELECT size, frontier FROM site_log_tree").fetchone()
    peaks = [frontier[at : at + 32] for at in range(0, len(frontier), 32)]
    rows = []
    for seq in range(size + 1, size + count + 1):
        noise = hashlib.sha256(seq.to_bytes(8, "big")).hexdigest()
        body = BODY.format(seq, seq % 977, noise * 2).encode()
        micros = 1_790_000_000_000_000 + seq * 1_000
        new = leaf(seq, micros, "finding.raised", body)
        rows.append((seq, micros, "finding.raised", body, new))
        before = seq - 1
        while before & 1:
            new = hashlib.sha256(b"\1" + peaks.pop() + new).digest()
            before >>= 1
        peaks.append(new)
    conn.executemany("INSERT INTO site_log (seq, time, kind, body, leaf_hash) VALUES (?, ?, ?, ?, ?)", rows)
    conn.execute("UPDATE site_log_tree SET size = ?, frontier = ?", (size + count, b"".join(peaks)))
    conn.commit()
    conn.close()
    return size + count


class Place(http.server.BaseHTTPRequestHandler):
    """Takes batches; what it took first is kept for curl."""

    protocol_version = "HTTP/1.1"
    # One write for each answer, at once.
    wbufsize, disable_nagle_algorithm = 65536, True
    keep, taken, next, goal, begin, end, done = True, [], 1, None, 0.0, 0.0, threading.Event()

    def log_message(self, *_):
        pass

    def answer(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        self.answer(200, {"next": str(Place.next)})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.endswith("/gateways"):
            Place.begin = time.monotonic()
            return self.answer(201, {"gateway_id": "g", "site_id": "s", "tenant": "t"})
        if not self.path.endswith("/batches"):
            return self.answer(200, {"next": str(Place.next), "time": "2026-11-24T10:00:00Z"})
        raw = zstandard.ZstdDecompressor().decompress(body, max_output_size=4 << 20)
        last = int(raw[raw.rindex(b'{"seq":"') + 8 :].split(b'"', 1)[0])
        if Place.keep:
            Place.taken.append(body)
            Place.next = last + 1
        self.answer(200, {"next": str(last + 1)})
        if Place.goal is not None and last >= Place.goal:
            Place.end = time.monotonic()
            Place.done.set()


def certificates(folder):
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    def make(*arguments):
        subprocess.run(["openssl", "req", "-x509", *key, *arguments], cwd=folder, check=True, capture_output=True)
    make("-subj", "/CN=bench CA", "-keyout", "ca.key", "-out", "ca.pem")
    signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-addext", "basicConstraints=critical,CA:FALSE"]
    make("-subj", "/CN=place", *signed, "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "place.key", "-out", "place.pem")
    make("-subj", "/CN=curl", *signed, "-addext", "extendedKeyUsage=clientAuth", "-keyout", "curl.key", "-out", "curl.pem")


def serve(folder, site_ca):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(os.path.join(folder, "place.pem"), os.path.join(folder, "place.key"))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(site_ca)
    context.load_verify_locations(os.path.join(folder, "ca.pem"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Place)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"https://127.0.0.1:{server.server_address[1]}"


class Gateway:
    """A running gateway; ended by its id."""

    def __init__(self, binary, folder):
        config = os.path.join(folder, "bench.toml")
        with open(config, "w") as file:
            file.write('[web]\nlisten = "127.0.0.1:0"\n[[broker.listeners]]\nname = "plain"\naddress = "127.0.0.1:0"\ntransport = "plain"\n')
        command = [binary, "run", "--json", "--config", config, "--state", os.path.join(folder, "state")]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for line in self.process.stdout:
            if line.startswith("{"):
                return
        raise SystemExit("the gateway did not become ready")

    def memory(self):
        with open(f"/proc/{self.process.pid}/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) / 1024

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


def ours(arguments, folder, url, size):
    gateway = Gateway(arguments.ours, folder)
    try:
        before = most = gateway.memory()
        Place.goal = size
        Place.begin = time.monotonic()
        command = [arguments.ours, "uplink", "register", "--url", url, "--claim-code", "bench", "--ca", os.path.join(folder, "ca.pem")]
        subprocess.run([*command, "--state", os.path.join(folder, "state")], check=True, capture_output=True)
        while not Place.done.wait(0.05):
            most = max(most, gateway.memory())
            if time.monotonic() - Place.begin > 300:
                raise SystemExit(f"not drained after 300 s: the next record is {Place.next} of {size}")
        return Place.end - Place.begin, max(0.0, most - before)
    finally:
        gateway.end()


def curl(folder, url):
    """All batches in one run of curl over one connection."""
    config = os.path.join(folder, "curl.config")
    with open(config, "w") as file:
        for number, body in enumerate(Place.taken):
            name = os.path.join(folder, "batches", f"{number:06}.zst")
            with open(name, "wb") as batch:
                batch.write(body)
            file.write("next\n" if number else "")
            file.write(f'url = "{url}/v1/batches"\ndata-binary = "@{name}"\nheader = "Content-Type: application/json"\n')
            file.write('header = "Content-Encoding: zstd"\nheader = "Expect:"\noutput = "/dev/null"\n')
            file.write(f'cacert = "{folder}/ca.pem"\ncert = "{folder}/curl.pem"\nkey = "{folder}/curl.key"\nfail\n')
    begin = time.monotonic()
    subprocess.run(["curl", "--silent", "--show-error", "--config", config], check=True)
    return time.monotonic() - begin


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ours", required=True)
    parser.add_argument("--state", required=True)
    parser.add_argument("--records", type=int, required=True)
    arguments = parser.parse_args()
    folder = os.path.abspath(arguments.state)
    arguments.ours = os.path.abspath(arguments.ours)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(os.path.join(folder, "batches"))
    certificates(folder)
    Gateway(arguments.ours, folder).end()
    size = fill(os.path.join(folder, "state", "state.db"), arguments.records)
    url = serve(folder, os.path.join(folder, "state", "ca.pem"))
    seconds, grown = ours(arguments, folder, url, size)
    Place.keep, Place.goal = False, None
    theirs = curl(folder, url)
    packed = sum(map(len, Place.taken))
    version = subprocess.run(["curl", "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    json.dump({
        "ours": arguments.records / seconds, "theirs": arguments.records / theirs, "curl": f"curl {version}",
        "batches": len(Place.taken), "packed_mib": packed / 2**20, "grown_mib": grown,
    }, sys.stdout)
    shutil.rmtree(folder, ignore_errors=True)


main()
