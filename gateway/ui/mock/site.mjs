// A made-up cold store for developing the interface: devices, readings, findings, log. Everything hangs on `start`,
// so that ages look real. Not a test fixture of the gateway: its own tests speak to the real one.

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** Small seeded generator (mulberry32), so that two runs draw the same curves. */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const SENSORS = [
  ['mqtt:freezer-1-probe-01', 'Freezer 1 probe 01', 'Freezer hall', 'temperature', '°C', -22.1, 0.4, 10],
  ['mqtt:freezer-1-probe-02', 'Freezer 1 probe 02', 'Freezer hall', 'temperature', '°C', -21.8, 0.4, 10],
  ['mqtt:freezer-2-probe-07', 'Freezer 2 probe 07', 'Freezer hall', 'temperature', '°C', -17.2, 0.5, 10],
  ['rtl_433:Acurite-Tower:A:8682', 'Cold dock, tower sensor', 'Dock and gate', 'temperature', '°C', 3.4, 0.6, 16],
  ['rtl_433:LaCrosse-TX141THBv2:0:229', 'Corridor climate', 'Dock and gate', 'humidity', '%', 61, 2, 50],
  ['mqtt:nh3-detector-1', 'NH₃ detector 1', 'Machine room', 'nh3', 'ppm', 2, 0.3, 30],
  ['mqtt:compressor-2', 'Compressor 2', 'Machine room', 'vibration', 'mm/s', 4.6, 0.3, 10],
  ['mqtt:energy-meter', 'Energy meter', 'Machine room', 'power', 'kW', 41.8, 1.5, 10],
];

export function readingAt(sensor, time) {
  const [id, , , metric, , base, spread] = sensor;
  const seconds = time / 1000;
  const own = id.length * 37;
  const wave = Math.sin((seconds + own) / 1300) * spread + Math.sin((seconds + own * 3) / 170) * spread * 0.35;
  const noise = (random(Math.floor(seconds / 10) + own)() - 0.5) * spread * 0.6;
  return Math.round((base + wave + noise) * 10 ** (metric === 'power' ? 1 : 2)) / 10 ** (metric === 'power' ? 1 : 2);
}

/** Silent spans per device, as [from, to] in ms before `start`. */
const SILENT = {
  'mqtt:freezer-1-probe-01': [[3 * HOUR, 2.6 * HOUR]],
  'mqtt:nh3-detector-1': [[5.3 * HOUR, -1e12]],
  'mqtt:freezer-2-probe-07': [[9 * HOUR, 8.7 * HOUR]],
};

export function makeSite(start) {
  const at = (ago) => new Date(start - ago).toISOString();
  const devices = SENSORS.map((sensor, index) => {
    const [id, name, zone, metric, unit, , , interval] = sensor;
    const silent = id === 'mqtt:nh3-detector-1';
    const last = silent ? start - 5.3 * HOUR : start - (index + 1) * 1000;
    const latest = [{ metric, unit, value: readingAt(sensor, last), time: new Date(last).toISOString() }];
    if (metric === 'temperature' || metric === 'humidity') {
      latest.push({ metric: 'battery', unit: '%', value: 71 + index, time: new Date(last).toISOString() });
    }
    return {
      id, name, zone, kind: 'sensor', trust: id.startsWith('rtl_433') ? 'fenced' : 'trusted',
      via: id.startsWith('rtl_433') ? 'mqtt:rtl433-receiver' : '', model: id.startsWith('rtl_433') ? id.split(':')[1] : 'Halden T2 probe',
      first_seen: at(40 * 24 * HOUR), last_seen: new Date(last).toISOString(), freshness: silent ? 'stale' : 'live',
      report_interval_s: interval, connected: !silent && !id.startsWith('rtl_433'), latest, open_findings: 0, demo: true,
    };
  });
  const plain = (id, name, zone, kind, trust, extra = {}) => ({
    id, name, zone, kind, trust, via: '', model: '', first_seen: at(33 * HOUR), last_seen: at(2000), freshness: 'live',
    report_interval_s: 30, connected: true, latest: [], open_findings: 0, demo: true, ...extra,
  });
  devices.push(
    plain('mqtt:cam-dock-02', 'Dock camera 2', 'Dock and gate', 'camera', 'fenced', { latest: [{ metric: 'heartbeat', unit: '', value: true, time: at(2000) }], model: 'Ostra D4' }),
    plain('mqtt:rtl433-receiver', 'Radio receiver', 'Machine room', 'client', 'trusted', { model: 'rtl_433 on the roof' }),
    plain('mqtt:esp-dock-tmp', 'esp-dock-tmp', '', 'unknown', 'awaiting-approval', { first_seen: at(34 * MINUTE), report_interval_s: null, last_seen: at(40_000) }),
    plain('mqtt:panel-old', 'Old control panel', 'Corridor', 'client', 'quarantined', { freshness: 'offline', connected: false, last_seen: at(21 * HOUR) }),
    plain('mqtt:gate-door', 'Gate door', 'Dock and gate', 'sensor', 'trusted', { freshness: 'offline', connected: false, last_seen: at(52 * MINUTE), latest: [{ metric: 'door', unit: '', value: 'closed', time: at(52 * MINUTE) }] }),
  );

  const WARM = `title: Freezer warmer than −18 °C for 10 minutes
id: 5f1d9f4c-0d3e-4a39-9c55-1a2a7f4f0a01
status: stable
description: Frozen goods are at risk.
logsource:
    product: iot
    category: sensor_reading
detection:
    warm:
        sensor_type: 'temperature'
        zone: 'Freezer hall'
        value|gt: -18
    maintenance:
        device_id: 'mqtt:freezer-test'
    condition: warm and not maintenance
x-edge:
    for: 10m
level: critical
tags:
    - attack.t0856 # spoof reporting message
`;
  const SUBSCRIBE = `title: Client subscribes to everything
id: 0a6c0c9e-7f3e-4f1b-8a11-5d0b8f7a0a02
logsource:
    product: sitewarden
    service: broker
detection:
    wide:
        action: 'subscribe-denied'
        filter|startswith: '#'
    condition: wide
level: high
`;
  const SILENT_RULE = `title: Safety sensor is silent
id: 7d3b2a10-55c1-4d0e-9f1c-2c8f0c9a0a03
logsource:
    product: sitewarden
    service: devices
detection:
    silent:
        freshness: 'stale'
        sensor_type: 'nh3'
    condition: silent
level: high
`;
  const LOGIN = `title: Wrong passwords at the sign-in
id: 91c4be0d-1a53-4b6c-8a43-6a3d1f4b0a04
logsource:
    product: sitewarden
    service: identity
detection:
    failed:
        action: 'login-failed'
    condition: failed
level: medium
`;
  const rules = [
    { id: '5f1d9f4c-0d3e-4a39-9c55-1a2a7f4f0a01', title: 'Freezer warmer than −18 °C for 10 minutes', severity: 'critical', file: 'sensor/freezer-warm.yml', status: 'loaded', error: null, matches: 214, tests: 4, source: WARM },
    { id: '0a6c0c9e-7f3e-4f1b-8a11-5d0b8f7a0a02', title: 'Client subscribes to everything', severity: 'high', file: 'broker/subscribe-all.yml', status: 'loaded', error: null, matches: 36, tests: 3, source: SUBSCRIBE },
    { id: '7d3b2a10-55c1-4d0e-9f1c-2c8f0c9a0a03', title: 'Safety sensor is silent', severity: 'high', file: 'sensor/safety-silent.yml', status: 'loaded', error: null, matches: 1, tests: 2, source: SILENT_RULE },
    { id: '91c4be0d-1a53-4b6c-8a43-6a3d1f4b0a04', title: 'Wrong passwords at the sign-in', severity: 'medium', file: 'login/wrong-password.yml', status: 'loaded', error: null, matches: 5, tests: 2, source: LOGIN },
    { id: 'sensor/humidity-high.yml', title: 'sensor/humidity-high.yml', severity: 'info', file: 'sensor/humidity-high.yml', status: 'error', error: 'sensor/humidity-high.yml:9:13: “value|gth” is no modifier; nearest is “gt”.', matches: 12, tests: null, source: 'title: Humidity above 85 %\ndetection:\n    wet:\n        value|gth: 85\n    condition: wet\nlevel: low\n' },
    { id: 'c2a90d61-3f10-4c44-a9ce-8f3b7b2d0a06', title: 'Payload that no profile can read', severity: 'info', file: 'broker/unknown-payload.yml', status: 'loaded', error: null, matches: 9, tests: 1, source: 'title: Payload that no profile can read\nlevel: info\n' },
  ];
  const warmEvents = Array.from({ length: 12 }, (_, index) => {
    const time = start - (12 - index) * 10_000;
    return { time: new Date(time).toISOString(), fields: { device_id: 'mqtt:freezer-2-probe-07', sensor_type: 'temperature', value: readingAt(SENSORS[2], time), unit: '°C', zone: 'Freezer hall', via: null, topic: 'cold/freezer-2/probe-07', trusted: true } };
  });
  const finding = (id, rule, severity, status, asset, asset_name, first, last, count, summary, evidence, extra = {}) => ({
    id: String(id), rule_id: rule.id, title: rule.title, severity, status, asset, asset_name, first_seen: at(first), last_seen: at(last), count, summary, assignee: null, demo: true,
    evidence: { reason: summary, rule_source: rule.source, atoms: [], events: [], window: null, ...evidence },
    first_evidence: null, techniques: [], log_seq: String(8_813_000 + id),
    history: [{ time: at(first), actor: 'system:pipeline', kind: 'finding.raised', note: '', log_seq: String(8_813_000 + id) }], ...extra,
  });
  const findings = [
    finding(42, rules[0], 'critical', 'open', 'mqtt:freezer-2-probe-07', 'Freezer 2 probe 07', 2.25 * HOUR, 10_000, 214, 'Freezer 2 probe 07 reported more than −18 °C for longer than 10 minutes; the last value is −17.2 °C.',
      { atoms: [
        { selection: 'warm', field: 'sensor_type', test: "'temperature'", value: 'temperature', matched: true, line: 10 },
        { selection: 'warm', field: 'zone', test: "'Freezer hall'", value: 'Freezer hall', matched: true, line: 11 },
        { selection: 'warm', field: 'value', test: 'gt -18', value: '-17.2', matched: true, line: 12 },
        { selection: 'maintenance', field: 'device_id', test: "'mqtt:freezer-test'", value: 'mqtt:freezer-2-probe-07', matched: false, line: 14 },
      ], events: warmEvents, window: { from: at(2.4 * HOUR), to: at(2.25 * HOUR) } }, { techniques: ['T0856', 'T0831'] }),
    finding(41, rules[1], 'high', 'open', 'mqtt:esp-dock-tmp', 'esp-dock-tmp', 31 * MINUTE, 4 * MINUTE, 36, 'esp-dock-tmp asked for every message of this site 36 times and was refused each time.',
      { atoms: [
        { selection: 'wide', field: 'action', test: "'subscribe-denied'", value: 'subscribe-denied', matched: true, line: 8 },
        { selection: 'wide', field: 'filter', test: "startswith '#'", value: '#', matched: true, line: 9 },
      ], events: [{ time: at(4 * MINUTE), fields: { action: 'subscribe-denied', filter: '#', client_id: 'esp-dock-tmp', address: '10.20.4.77', reason_code: '0x87' } }] }, { techniques: ['T0842'] }),
    finding(38, rules[2], 'high', 'acknowledged', 'mqtt:nh3-detector-1', 'NH₃ detector 1', 5.2 * HOUR, 5.2 * HOUR, 1, 'NH₃ detector 1 has not reported for more than 5 of its intervals.',
      { atoms: [{ selection: 'silent', field: 'freshness', test: "'stale'", value: 'stale', matched: true, line: 8 }], events: [{ time: at(5.2 * HOUR), fields: { freshness: 'stale', sensor_type: 'nh3', device_id: 'mqtt:nh3-detector-1' } }] },
      { assignee: 'person:u2', history: [
        { time: at(4.9 * HOUR), actor: 'person:u2', kind: 'finding.acknowledged', note: 'Battery on its way', log_seq: '8813060' },
        { time: at(5.2 * HOUR), actor: 'system:pipeline', kind: 'finding.raised', note: '', log_seq: '8813038' },
      ] }),
    finding(37, rules[3], 'medium', 'open', null, '', 74 * MINUTE, 70 * MINUTE, 5, 'Five wrong passwords for elin.lund from 10.20.1.14 within a minute.',
      { atoms: [{ selection: 'failed', field: 'action', test: "'login-failed'", value: 'login-failed', matched: true, line: 8 }], events: [{ time: at(70 * MINUTE), fields: { action: 'login-failed', login: 'elin.lund', address: '10.20.1.14' } }] }),
    finding(35, rules[5], 'info', 'open', 'mqtt:compressor-2', 'Compressor 2', 7 * HOUR, 6 * HOUR, 9, 'Compressor 2 sends a payload on plant/compressor-2/raw that no profile can read.', {}),
    finding(33, rules[4], 'low', 'closed', 'rtl_433:LaCrosse-TX141THBv2:0:229', 'Corridor climate', 28 * HOUR, 27 * HOUR, 12, 'Humidity above 85 % in the corridor.', {},
      { history: [{ time: at(26 * HOUR), actor: 'person:u1', kind: 'finding.closed', note: 'Door seal replaced', log_seq: '8812990' }, { time: at(28 * HOUR), actor: 'system:pipeline', kind: 'finding.raised', note: '', log_seq: '8812933' }] }),
  ];
  for (const device of devices) {
    device.open_findings = findings.filter((each) => each.asset === device.id && each.status !== 'closed').length;
  }
  const log = [];
  const record = (ago, kind, actor, body) => log.push({ seq: String(8_812_900 + log.length * 7), time: at(ago), kind, actor, body: { actor, ...body } });
  record(40 * 24 * HOUR, 'setup.finished', 'person:elin.lund', { site_name: 'Norrvik Cold Store' });
  record(33 * HOUR, 'device.approved', 'person:elin.lund', { device: 'mqtt:cam-dock-02' });
  record(28 * HOUR, 'finding.raised', 'system:pipeline', { finding: '33' });
  record(26 * HOUR, 'finding.closed', 'person:elin.lund', { finding: '33', reason: 'Door seal replaced' });
  record(21 * HOUR, 'device.quarantined', 'person:elin.lund', { device: 'mqtt:panel-old', reason: 'Unknown firmware' });
  record(9 * HOUR, 'rules.reloaded', 'person:jonas.berg', { loaded: 5, errors: 1 });
  record(5.2 * HOUR, 'finding.raised', 'system:pipeline', { finding: '38', severity: 'high' });
  record(4.9 * HOUR, 'finding.acknowledged', 'person:jonas.berg', { finding: '38', note: 'Battery on its way' });
  record(2.25 * HOUR, 'finding.raised', 'system:pipeline', { finding: '42', severity: 'critical' });
  record(70 * MINUTE, 'denials', 'system:denials', { principal: 'device:mqtt:esp-dock-tmp', action: 'mqtt:publish', count: 41 });
  record(34 * MINUTE, 'device.seen', 'system:pipeline', { device: 'mqtt:esp-dock-tmp' });
  record(31 * MINUTE, 'finding.raised', 'system:pipeline', { finding: '41', severity: 'high' });

  const SHA = '9a41c07e5b6d2f1188e34c1d7a90b6ffb2c4e8d6a1f05379cc21e4b88d70f3a2';
  const OLD = '11aa33cc55ee77019a41c07e5b6d2f1188e34c1d7a90b6ffb2c4e8d6a1f05379';
  const boot = (counter, ago, firmware, firmware_sha256) => ({ counter, run: `5e1f00c${counter}`, started: at(ago), first_heard: at(ago - 1_400), firmware, firmware_sha256 });
  const agent = plain('agent:00112233445566aa', 'Compressor 2 agent', 'Machine room', 'agent', 'trusted', {
    model: 'mps2-an386', report_interval_s: 10, credential: null, facts: { model: 'mps2-an386', firmware: '0.3.1' }, latest: [{ metric: 'temperature', unit: 'Cel', value: 61.4, time: at(3000) }, { metric: 'vibration', unit: 'mm/s', value: 2.8, time: at(3000) }],
    link: {
      agent: '00112233445566aa', connected: true, transport: 'serial', line: '/dev/ttyS1', session_since: at(5.5 * HOUR), last_heard: at(3000),
      frames_ok: 18_420, frames_dropped: { checksum: 402, replayed: 3 }, findings_acknowledged: 12, findings_pending: 1, model: 'mps2-an386', firmware: '0.3.1', firmware_sha256: SHA,
      enrolled: at(40 * 24 * HOUR), revoked: null, boots: [boot(7, 5.5 * HOUR, '0.3.1', SHA), boot(6, 30 * HOUR, '0.3.1', SHA), boot(5, 9 * 24 * HOUR, '0.3.0', OLD)],
      parameters: { version: 4, report_ms: 10_000, rules: [] }, parameters_in_use: 3, parameters_outcome: 'not-signed',
    },
  });
  devices.push(agent);
  const uplinks = {
    none: { state: 'not-registered', url: null, site: null, gateway: null, tenant: null, acknowledged: '0', log_size: '8813283', unsent: '0', oldest_unsent: null, oldest_unsent_seconds: null, last_success: null, problem: null, next_try: null },
  };
  const registered = { ...uplinks.none, url: 'https://central.norrvik.example/api', site: 'Norrvik Cold Store', gateway: 'gw-3f1c9a', tenant: 'Norrvik Foods AB' };
  uplinks.connected = { ...registered, state: 'connected', acknowledged: '8813283', last_success: at(4000) };
  uplinks.waiting = { ...registered, state: 'waiting', acknowledged: '8811040', unsent: '2243', oldest_unsent: at(7.2 * HOUR), oldest_unsent_seconds: 25_920, last_success: at(7.3 * HOUR), problem: 'Central answered, but its certificate is for another name. Expected central.norrvik.example, got mail.norrvik.example. Nothing was sent.', next_try: at(-90_000) };
  uplinks.stopped = { ...uplinks.waiting, state: 'stopped', problem: 'Central has a log of 8812000 records whose root is not the one of this box. Keep both and call your security contact.', next_try: null };
  const input = (name, extra) => ({ name, error: null, ...extra });
  const board = {
    title: 'Norrvik box', backend: 'linux', problem: 'front-fan: the hardware monitor nct6775 is not there: is it the right board file for this machine?', drivable: false,
    light: { state: 'warning', locate_until: null, lamps: [{ name: 'state-green', colour: 'green', error: null }, { name: 'state-amber', colour: 'amber', error: null }] },
    contacts: [input('tamper', { role: 'tamper', active: false, since: at(33 * HOUR) }), input('mains', { role: 'power', active: false, since: at(33 * HOUR) })],
    temperatures: [input('cpu', { celsius: 61.5, limit_celsius: 85, measured: at(3000) }), input('cabinet', { celsius: 57.2, limit_celsius: 55, measured: at(3000) })],
    fans: [input('case-fan', { rpm: 1180, minimum_rpm: 400, measured: at(3000) }), input('front-fan', { rpm: null, minimum_rpm: 400, measured: null, error: 'the hardware monitor nct6775 is not there: is it the right board file for this machine?' })],
    serial: [{ name: 'com1', path: '/dev/ttyS0', baud: 115_200, present: true }, { name: 'rs485', path: '/dev/ttyUSB0', baud: 9_600, present: false }],
  };
  const enrolments = [{ id: 'e0', name: 'Ice machine', zone: 'Dock and gate', created: at(2 * MINUTE), expires: at(-13 * MINUTE), created_by: 'person:jonas.berg' }];
  // Looks like a code; nobody scans it.
  const squares = Array.from({ length: 29 * 29 }, (_, index) => [index % 29, Math.floor(index / 29)]).filter(([x, y]) => (x * 7 + y * 13 + x * y) % 3 === 0 || (x < 7 && y < 7) || (x > 21 && y < 7) || (x < 7 && y > 21));
  const qr = `<?xml version="1.0" standalone="yes"?><svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 296 296"><rect fill="#fff"/><path fill="#000" d="${squares.map(([x, y]) => `M${32 + x * 8} ${32 + y * 8}h8v8h-8V${32 + y * 8}`).join('')}"/></svg>`;

  return {
    start, devices, rules, findings, log, uplinks, uplink: uplinks.waiting, board, enrolments, qr,
    changes: [
      { time: at(31 * MINUTE), sentence: 'esp-dock-tmp asked for every message and was refused', link: '/findings/41' },
      { time: at(34 * MINUTE), sentence: 'esp-dock-tmp was seen for the first time and waits for approval', link: '/devices/mqtt%3Aesp-dock-tmp' },
      { time: at(52 * MINUTE), sentence: 'Gate door went offline', link: '/devices/mqtt%3Agate-door' },
      { time: at(2.25 * HOUR), sentence: 'Freezer 2 probe 07 is warmer than −18 °C', link: '/findings/42' },
      { time: at(5.2 * HOUR), sentence: 'NH₃ detector 1 stopped reporting', link: '/findings/38' },
      { time: at(9 * HOUR), sentence: 'Rules were loaded again by Jonas Berg: 5 loaded, 1 with a mistake', link: '/rules' },
      { time: at(21 * HOUR), sentence: 'Old control panel was quarantined by Elin Lund', link: '/devices/mqtt%3Apanel-old' },
    ],
    users: [
      { id: 'u1', login: 'elin.lund', name: 'Elin Lund', role: 'owner', created: at(40 * 24 * HOUR) },
      { id: 'u2', login: 'jonas.berg', name: 'Jonas Berg', role: 'operator', created: at(39 * 24 * HOUR) },
      { id: 'u3', login: 'tove.nyman', name: 'Tove Nyman', role: 'technician', created: at(12 * 24 * HOUR) },
      { id: 'u4', login: 'board', name: 'Wall display', role: 'viewer', created: at(12 * 24 * HOUR) },
    ],
    keys: [
      { id: 'k-7f3a', name: 'Grafana', role: 'viewer', created: at(12 * 24 * HOUR), created_by: 'Elin Lund', expires: at(-78 * 24 * HOUR), last_used: at(9000) },
      { id: 'k-11c0', name: 'Backup script', role: 'operator', created: at(100 * 24 * HOUR), created_by: 'Elin Lund', expires: at(10 * 24 * HOUR), last_used: at(10.2 * 24 * HOUR) },
    ],
    policies: {
      epoch: '17', error: null,
      files: [
        { name: 'default.cedar', source: '// Operators run the site.\n@id("operators-approve")\npermit (\n  principal in Role::"operator",\n  action == Action::"device:approve",\n  resource\n);\n', policies: ['viewers-read', 'operators-approve', 'owners-all'] },
        { name: 'broker.cedar', source: '@id("trusted-publish")\npermit (\n  principal,\n  action == Action::"mqtt:publish",\n  resource\n) when { principal.trust == "trusted" };\n', policies: ['trusted-publish', 'nobody-sys'] },
      ],
    },
    decisions: [
      { time: at(12_000), principal: 'device:mqtt:esp-dock-tmp', action: 'mqtt:publish', resource: 'TopicSpace:dock/tmp', allow: false, policies: [] },
      { time: at(31 * MINUTE), principal: 'device:mqtt:esp-dock-tmp', action: 'mqtt:subscribe', resource: 'TopicSpace:#', allow: false, policies: ['nobody-everything'] },
      { time: at(4.9 * HOUR), principal: 'person:jonas.berg', action: 'finding:acknowledge', resource: 'Finding:38', allow: true, policies: ['operators-triage'] },
    ],
    unknown: [
      { topic: 'plant/compressor-2/raw', reason: 'no profile for this topic', count: 1904, first: at(7 * HOUR), last: at(9000), sample_base64: Buffer.from('<status><rpm>2950</rpm><code>0</code></status>').toString('base64') },
      { topic: 'cold/gate/door', reason: 'value is NaN', count: 3, first: at(3 * HOUR), last: at(2.8 * HOUR), sample_base64: Buffer.from([0, 255, 18, 52, 86]).toString('base64') },
    ],
  };
}

export function readings(site, id, metric, from, to) {
  const sensor = SENSORS.find((each) => each[0] === id);
  if (!sensor) return [];
  const [, , , own, unit, , , interval] = sensor;
  const rows = [];
  const step = interval * 1000;
  for (let time = Math.ceil(from / step) * step; time < to; time += step) {
    const silent = (SILENT[id] ?? []).some(([a, b]) => time > site.start - a * 1 && time < site.start - b);
    if (silent) continue;
    const text = new Date(time).toISOString();
    const value = metric === own ? readingAt(sensor, time) : 71 + Math.round(Math.sin(time / 9e6) * 3);
    rows.push({ time: text, received: text, value, unit, time_source: 'payload', trusted: true });
  }
  return rows;
}

export { SENSORS };
