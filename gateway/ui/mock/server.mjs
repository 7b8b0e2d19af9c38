// Development server: the built interface, an API with made-up data, a live stream. Node only, loopback only.
// Not a second gateway: it checks no passwords worth the name and keeps nothing. Usage: node mock/server.mjs [port]
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { makeSite, readingAt, readings, SENSORS } from './site.mjs';

const DIST = new URL('../dist/', import.meta.url).pathname;
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };
const POLICY = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'";
const site = makeSite(Date.now());
const started = Date.now();
let role = 'owner';
let signedIn = true;
let setupDone = true;
let seq = 8_814_000;
const streams = new Set();
const ok = { status: 'ok', detail: null };
const HEALTH = { status: 'degraded', version: '0.1.0', parts: { db: ok, broker: ok, clock: ok, disk: ok, engine: ok, policies: ok, board: { status: 'failed', detail: 'front-fan: the hardware monitor nct6775 is not there: is it the right board file for this machine?' }, rules: { status: 'failed', detail: 'rule files have mistakes; see /api/v1/rules' } } };

const page = (items, url) => {
  const limit = Number(url.searchParams.get('limit') ?? 50);
  const start = Number(url.searchParams.get('cursor') ?? 0);
  const next = start + limit < items.length ? String(start + limit) : null;
  return { items: items.slice(start, start + limit), next };
};

function problem(status, code, detail) {
  return { status, body: { type: `urn:sitewarden:problem:${code}`, title: code, status, code, detail, request_id: '0192f6c4a1' } };
}

function publish(kind, data, id = true) {
  const text = `event: ${kind}\n${id ? `id: ${(seq += 1)}\n` : ''}data: ${JSON.stringify(data)}\n\n`;
  for (const stream of streams) stream.write(text);
}

function overview() {
  const open = { critical: 0, high: 0, medium: 0, low: 0, info: 0 };
  for (const finding of site.findings) if (finding.status === 'open' || finding.status === 'acknowledged') open[finding.severity] += 1;
  const by = (state) => site.devices.filter((device) => device.freshness === state && (device.trust === 'trusted' || device.trust === 'fenced')).length;
  return {
    verdict: open.critical ? 'act-now' : open.high + open.medium ? 'attention' : 'all-clear',
    sentence: open.critical ? 'Act now: 1 critical finding open.' : open.high + open.medium ? `Attention: ${open.high + open.medium} findings of high or medium severity open.` : 'All clear: 8 trusted devices report in time and nothing above low is open.',
    reasons: open.critical
      ? ['1 critical finding', '2 high findings', '1 medium finding', '1 device stale', '1 device offline', '1 device awaiting approval', '1 device quarantined']
      : [],
    open,
    devices: { total: site.devices.length, live: by('live'), late: by('late'), stale: by('stale'), offline: by('offline'), never: by('never'), awaiting: site.devices.filter((d) => d.trust === 'awaiting-approval').length, quarantined: site.devices.filter((d) => d.trust === 'quarantined').length },
    tiles: site.devices,
    changes: site.changes,
    box: { time: new Date().toISOString(), version: '0.1.0', uptime_s: 3 * 86_400 + 4 * 3600 + (Date.now() - started) / 1000, demo: true, site_name: 'Norrvik Cold Store', time_zone: 'Europe/Oslo', broker: { clients: 9, messages_per_s: 4.2 } },
  };
}

const session = () => ({ user: { id: 'u1', login: 'elin.lund', name: 'Elin Lund', role }, expires: new Date(Date.now() + 8 * 3_600_000).toISOString() });
const device = (id) => site.devices.find((each) => each.id === id);
const finding = (id) => site.findings.find((each) => each.id === id);

function setTrust(id, trust, reason) {
  const found = device(id);
  if (!found) return problem(404, 'not-found', `There is no device ${id}.`);
  found.trust = trust;
  found.history = [{ time: new Date().toISOString(), actor: 'person:elin.lund', trust, note: reason ?? '' }, ...(found.history ?? [])];
  publish('device', { device: id });
  return { status: 204 };
}

function setStatus(id, status, kind, note) {
  const found = finding(id);
  if (!found) return problem(404, 'not-found', `There is no finding ${id}.`);
  found.status = status;
  found.assignee = status === 'acknowledged' ? 'person:u1' : found.assignee;
  found.history.unshift({ time: new Date().toISOString(), actor: 'person:elin.lund', kind: `finding.${kind}`, note: note ?? '', log_seq: String(seq) });
  publish('finding', { finding: id });
  return { status: 204 };
}

const list = (url, items, ...names) => items.filter((item) => names.every(([query, test]) => !url.searchParams.get(query) || test(item, url.searchParams.get(query))));
const among = (text, value) => text.split(',').includes(value);

const routes = [
  ['GET', '/setup', () => ({ body: { needed: !setupDone && !signedIn, steps: setupDone ? [] : signedIn ? ['trust', 'time'] : ['owner', 'trust', 'time'], ca_fingerprint: 'harbor violet nine maple oxygen ladder frost tin', box_time: new Date(Date.now() - 1000).toISOString() } })],
  ['POST', '/setup/owner', (_, body) => (body.code === 'WRONG' ? problem(403, 'setup-code', 'The set-up code is another one. It is on the console of the box.') : ((signedIn = true), { status: 201, body: session() }))],
  ['POST', '/setup/finish', () => ((setupDone = true), { status: 204 })],
  ['GET', '/session', () => (signedIn ? { body: session() } : problem(401, 'not-signed-in', 'Nobody is signed in.'))],
  ['POST', '/session', (_, body) => (body.password === 'wrong' ? problem(401, 'wrong-credentials', 'User name and password do not belong together.') : ((signedIn = true), { body: session() }))],
  ['DELETE', '/session', () => ((signedIn = false), { status: 204 })],
  ['GET', '/overview', () => ({ body: overview() })],
  ['GET', '/devices', (url) => ({ body: page(list(url, site.devices, ['trust', (d, v) => d.trust === v], ['kind', (d, v) => d.kind === v], ['q', (d, v) => `${d.name} ${d.id} ${d.model}`.toLowerCase().includes(v.toLowerCase())]), url) })],
  ['POST', '/devices/enrol', (_, body) => (device(`mqtt:${body.id}`) ? problem(409, 'exists', `mqtt:${body.id} is enrolled already. Nothing was changed.`) : { status: 201, body: body.csr_pem ? { device_id: `mqtt:${body.id}`, certificate_pem: '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n', ca_pem: '-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----\n' } : { device_id: `mqtt:${body.id}`, credential: { client_id: body.id, username: body.id, password: 'q7sV2mWc0Yt4uK8pZr1LxN5bEd3HfJgA' } } })],
  ['GET', '/devices/:id', (_, __, id) => (device(id) ? { body: { facts: { protocol: 'MQTT 5.0', address: '10.20.2.41', topic: 'cold/#' }, credential: device(id).via ? null : { kind: 'password', created: new Date(site.start - 40 * 86_400_000).toISOString(), fingerprint: '4f19 c270 8e01 77ab' }, history: [{ time: new Date(site.start - 39 * 86_400_000).toISOString(), actor: 'person:elin.lund', trust: 'trusted', note: 'Installed by us' }], ...device(id) } } : problem(404, 'not-found', `There is no device ${id}.`))],
  ['PATCH', '/devices/:id', (_, body, id) => (Object.assign(device(id), body), publish('device', { device: id }), { body: device(id) })],
  ['POST', '/devices/:id/approve', (_, body, id) => setTrust(id, 'trusted', body.note)],
  ['POST', '/devices/:id/quarantine', (_, body, id) => setTrust(id, 'quarantined', body.reason)],
  ['POST', '/devices/:id/release', (_, body, id) => setTrust(id, 'trusted', body.note)],
  ['GET', '/devices/:id/readings', (url, _, id) => ({ body: page(readings(site, id, url.searchParams.get('metric'), Date.parse(url.searchParams.get('from')), Date.parse(url.searchParams.get('to') ?? new Date().toISOString())), url) })],
  ['GET', '/payloads/unknown', (url) => ({ body: page(site.unknown, url) })],
  ['GET', '/findings', (url) => ({ body: page(list(url, site.findings, ['status', (f, v) => among(v, f.status)], ['severity', (f, v) => among(v, f.severity)], ['device', (f, v) => f.asset === v], ['rule', (f, v) => f.rule_id === v], ['q', (f, v) => `${f.title} ${f.summary} ${f.asset_name}`.toLowerCase().includes(v.toLowerCase())]), url) })],
  ['GET', '/findings/:id', (_, __, id) => (finding(id) ? { body: finding(id) } : problem(404, 'not-found', `There is no finding ${id}.`))],
  ['POST', '/findings/:id/acknowledge', (_, body, id) => setStatus(id, 'acknowledged', 'acknowledged', body.note)],
  ['POST', '/findings/:id/close', (_, body, id) => setStatus(id, 'closed', 'closed', body.reason)],
  ['POST', '/findings/:id/reopen', (_, body, id) => setStatus(id, 'open', 'reopened', body.reason)],
  ['GET', '/rules', (url) => ({ body: page(site.rules, url) })],
  ['POST', '/rules/reload', () => ({ status: 204 })],
  ['GET', '/rules/:id', (_, __, id) => { const rule = site.rules.find((each) => each.id === id); return rule ? { body: rule } : problem(404, 'not-found', `There is no rule ${id}.`); }],
  ['GET', '/policies', () => ({ body: site.policies })],
  ['POST', '/policies/reload', () => ({ status: 204 })],
  ['GET', '/policies/decisions', (url) => ({ body: page(site.decisions, url) })],
  ['GET', '/users', (url) => ({ body: page(site.users, url) })],
  ['POST', '/users', (_, body) => { const user = { id: `u${site.users.length + 1}`, created: new Date().toISOString(), ...body, password: undefined }; site.users.push(user); return { status: 201, body: user }; }],
  ['PATCH', '/users/:id', (_, body, id) => { const user = site.users.find((each) => each.id === id); Object.assign(user, { ...body, password: undefined }); return { body: user }; }],
  ['DELETE', '/users/:id', (_, __, id) => { site.users = site.users.filter((each) => each.id !== id); return { status: 204 }; }],
  ['GET', '/sessions', (url) => ({ body: page([{ id: 's1', login: 'elin.lund', name: 'Elin Lund', address: '10.20.1.14', user_agent: 'Firefox on Linux', created: new Date(site.start - 7_000_000).toISOString(), expires: session().expires, current: true }, { id: 's2', login: 'jonas.berg', name: 'Jonas Berg', address: '10.20.1.20', user_agent: 'Safari on iPhone', created: new Date(site.start - 90_000_000).toISOString(), expires: session().expires }], url) })],
  ['DELETE', '/sessions/:id', () => ({ status: 204 })],
  ['GET', '/api-keys', (url) => ({ body: page(site.keys, url) })],
  ['POST', '/api-keys', (_, body) => { const key = { id: `k-${site.keys.length}`, name: body.name, role: body.role, created: new Date().toISOString(), expires: new Date(Date.now() + body.expires_in_days * 86_400_000).toISOString(), last_used: null }; site.keys.push(key); return { status: 201, body: { ...key, key: 'swk_4bQ0v9dJ2mYt7xKcZr1LpN5sEw8HfGuA' } }; }],
  ['DELETE', '/api-keys/:id', (_, __, id) => { site.keys = site.keys.filter((each) => each.id !== id); return { status: 204 }; }],
  ['GET', '/audit', (url) => ({ body: page(list(url, [...site.log].reverse(), ['kind', (r, v) => r.kind.startsWith(v)], ['actor', (r, v) => (r.actor ?? '').includes(v)]), url) })],
  ['GET', '/site-log/checkpoint', () => ({ body: { note: `norrvik.example/3f1c9a\n8813283\nmkHAfltBLxGI40wdeppgtv+yxOjWofBTeczCHkuI1w8=\n\n— norrvik.example/3f1c9a 5Qh0WmVYHcBq0gq4o6m0Vw5vJm2mZrS7bqGm0VnYyQ0x0uJr4mA9Yw==\n`, size: '8813283', key: 'norrvik.example/3f1c9a+e5087459+AWq7Hc1fU0zq2mJt5u9Xb8pQyN3rLk6oDd4sVv7wZx0E' } })],
  ['GET', '/site-log/proof', (url) => ({ body: { seq: url.searchParams.get('seq'), size: url.searchParams.get('size'), leaf_hash: 'mkHAfltBLxGI40wdeppgtv+yxOjWofBTeczCHkuI1w8=', path: [], root: 'mkHAfltBLxGI40wdeppgtv+yxOjWofBTeczCHkuI1w8=', record: 'e30=', time: new Date().toISOString() } })],
  ['POST', '/agents/enrol', (_, body) => {
    if (body.code && body.code.replace(/[^0-9a-z]/gi, '') === 'WRONGWRONGWRONGWRONG') return problem(422, 'bad-code', 'The code cannot be read (a character is wrong: its check does not fit). Nothing was changed.');
    const opened = { id: `e${site.enrolments.length + 1}`, name: body.name ?? '', zone: body.zone ?? '', created: new Date().toISOString(), expires: new Date(Date.now() + 9.5 * 60_000).toISOString(), created_by: 'person:elin.lund' };
    site.enrolments.unshift(opened);
    return { status: 201, body: { id: opened.id, code: '7KQ2M-9XA4B-CDEFG-01234', qr_text: 'SITEWARDEN:1:7KQ2M-9XA4B-CDEFG-01234', qr_svg: site.qr, site_key: '4f19 c270 8e01 77ab 90d3 1c5e', expires: opened.expires, made_by_box: !body.code } };
  }],
  ['GET', '/agents/enrolments', (url) => ({ body: page(site.enrolments, url) })],
  ['DELETE', '/agents/enrolments/:id', (_, __, id) => { site.enrolments = site.enrolments.filter((each) => each.id !== id); return { status: 204 }; }],
  ['GET', '/uplink', () => ({ body: site.uplink })],
  ['POST', '/uplink/register', (_, body) => {
    if (body.claim_code === 'WRONG') return problem(409, 'claim-refused', 'Central answered that this claim code was used before. Nothing was sent.');
    site.uplink = site.uplinks.connected;
    return { body: site.uplink };
  }],
  ['DELETE', '/uplink', () => { site.uplink = site.uplinks.none; return { body: site.uplink }; }],
  ['GET', '/board', () => ({ body: site.board })],
  ['POST', '/board/locate', (_, body) => { site.board.light = { ...site.board.light, state: body.seconds ? 'locate' : 'warning', locate_until: body.seconds ? new Date(Date.now() + body.seconds * 1000).toISOString() : null }; return { body: site.board }; }],
  ['GET', '/site-log/head', () => ({ body: { size: '8813283', root: '9a41c07e5b6d2f1188e34c1d7a90b6ffb2c4e8d6a1f05379cc21e4b88d70f3a2' } })],
];

function find(method, path) {
  const parts = path.split('/').filter(Boolean);
  for (const [verb, pattern, handler] of routes) {
    const wanted = pattern.split('/').filter(Boolean);
    if (verb !== method || wanted.length !== parts.length) continue;
    let id;
    if (wanted.every((part, index) => (part.startsWith(':') ? ((id = decodeURIComponent(parts[index])), true) : part === parts[index]))) return [handler, id];
  }
  return null;
}

async function bodyOf(request) {
  let text = '';
  for await (const chunk of request) text += chunk;
  return text ? JSON.parse(text) : {};
}

async function api(request, response, url) {
  const path = url.pathname.slice('/api/v1'.length);
  if (path === '/events') {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.write(': open\n\n');
    streams.add(response);
    request.on('close', () => streams.delete(response));
    return;
  }
  const found = find(request.method, path);
  if (request.method !== 'GET' && request.headers['x-sitewarden'] !== '1') return send(response, problem(403, 'csrf', 'The header x-sitewarden is missing.'));
  if (!signedIn && !['/session', '/setup', '/setup/owner'].includes(path)) return send(response, problem(401, 'not-signed-in', 'Nobody is signed in.'));
  send(response, found ? found[0](url, await bodyOf(request), found[1]) : problem(404, 'not-found', `There is nothing at ${path}.`));
}

function send(response, { status = 200, body }) {
  response.writeHead(status, { 'content-type': status >= 400 ? 'application/problem+json' : 'application/json', 'cache-control': 'no-store' });
  response.end(body === undefined ? undefined : JSON.stringify(body));
}

async function file(response, path) {
  const wanted = join(DIST, normalize(path));
  const inside = wanted.startsWith(DIST) && extname(wanted) ? wanted : join(DIST, 'index.html');
  const headers = { 'content-type': TYPES[extname(inside)] ?? 'application/octet-stream', 'content-security-policy': POLICY, 'x-content-type-options': 'nosniff' };
  try {
    response.writeHead(200, headers).end(await readFile(inside));
  } catch {
    response.writeHead(404, headers).end();
  }
}

const server = createServer((request, response) => {
  const url = new URL(request.url, 'http://localhost');
  if (url.pathname === '/mock') {
    // For trying states by hand: /mock?role=viewer&signed-in=no&setup=no&uplink=waiting&enrolled=yes
    role = url.searchParams.get('role') ?? role;
    signedIn = url.searchParams.get('signed-in') !== 'no';
    setupDone = url.searchParams.get('setup') !== 'no';
    site.uplink = site.uplinks[url.searchParams.get('uplink')] ?? site.uplink;
    if (url.searchParams.get('enrolled')) site.enrolments = [];
    return send(response, { status: 204 });
  }
  if (url.pathname === '/health') return send(response, { body: HEALTH });
  const work = url.pathname.startsWith('/api/v1/') ? api(request, response, url) : file(response, url.pathname);
  work.catch((error) => send(response, problem(500, 'mock', String(error))));
});

setInterval(() => {
  const now = Date.now();
  for (const sensor of SENSORS) {
    const [id, , , metric, , , , interval] = sensor;
    const found = device(id);
    if (found.freshness !== 'live' || Math.floor(now / 1000) % Math.min(interval, 10) !== 0) continue;
    found.latest[0].value = readingAt(sensor, now);
    found.latest[0].time = found.last_seen = new Date(now).toISOString();
    publish('latest', { device: id, metric, value: found.latest[0].value, time: found.last_seen }, false);
  }
  for (const id of ['mqtt:cam-dock-02', 'mqtt:rtl433-receiver']) device(id).last_seen = new Date(now).toISOString();
}, 1000);

server.listen(Number(process.argv[2] ?? 0), '127.0.0.1', () => {
  process.stdout.write(`http://127.0.0.1:${server.address().port}\n`);
});
