// Looks at every page in Chromium: screenshots in light, dark and 390 px, the states empty, error, stale and not allowed,
// axe over each, and a watch for violations of the page's own policy and for requests to elsewhere. JSON on standard output.
//
// node shots.mjs --base https://127.0.0.1:8443 [--out shots] [--login elin.lund --password ...] [--chromium /usr/bin/chromium]
//                [--device ID] [--finding ID] [--only NAME] [--look light]
// Without --base it starts the mock. Exit code 1 when anything was found.
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';

const { values: options } = parseArgs({
  options: {
    base: { type: 'string' },
    out: { type: 'string', default: 'shots' },
    login: { type: 'string' },
    password: { type: 'string' },
    chromium: { type: 'string', default: '/usr/bin/chromium' },
    device: { type: 'string' },
    finding: { type: 'string' },
    only: { type: 'string' },
    look: { type: 'string' },
  },
});

const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const LOOKS = {
  light: { colorScheme: 'light', viewport: { width: 1440, height: 900 } },
  dark: { colorScheme: 'dark', viewport: { width: 1440, height: 900 } },
  laptop: { colorScheme: 'light', viewport: { width: 1024, height: 768 } },
  phone: { colorScheme: 'light', viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true },
};
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const SETTLE_MS = 900;
/** Pages that are looked at together: most of the time is waiting. */
const SIDE_BY_SIDE = 4;

const json = (status, body) => ({ status, contentType: status >= 400 ? 'application/problem+json' : 'application/json', body: JSON.stringify(body) });
const EMPTY = { items: [], next: null };
const failing = json(500, { type: 'urn:sitewarden:problem:store-read', title: 'Internal Server Error', status: 500, code: 'store-read', detail: 'The store did not answer in 2 s. Nothing was changed. Try again.', request_id: '0192f6c4a1' });
const denied = json(403, { type: 'urn:sitewarden:problem:policy-denied', title: 'Forbidden', status: 403, code: 'policy-denied', detail: 'person:board may not audit:read on Site:site: no policy allows it.', request_id: '0192f6c4a1' });

async function startMock() {
  const child = spawn(process.execPath, [new URL('./mock/server.mjs', import.meta.url).pathname], { stdio: ['ignore', 'pipe', 'inherit'] });
  const base = await new Promise((resolve, reject) => {
    child.stdout.once('data', (text) => resolve(String(text).trim()));
    child.once('exit', () => reject(new Error('the mock did not start; was the interface built?')));
  });
  return { base, stop: () => child.kill() };
}

/** Pages as they are, then states that are made by answering in the box's place. */
function plan(device, finding) {
  const at = (path) => (page, base) => page.goto(base + path);
  const devicePath = `/devices/${encodeURIComponent(device)}`;
  return [
    { name: 'overview', open: at('/') },
    { name: 'devices', open: at('/devices') },
    { name: 'device', open: at(devicePath) },
    { name: 'findings', open: at('/findings') },
    { name: 'finding', open: at(`/findings/${encodeURIComponent(finding)}`) },
    { name: 'rules', open: at('/rules') },
    { name: 'policies', open: at('/policies') },
    { name: 'diagnostics', open: at('/diagnostics') },
    { name: 'audit', open: at('/audit') },
    { name: 'uplink', open: at('/uplink') },
    { name: 'uplink-none', open: at('/uplink'), answers: { '/uplink': 'uplink-none' } },
    { name: 'uplink-stopped', open: at('/uplink'), answers: { '/uplink': 'uplink-stopped' } },
    { name: 'uplink-connected', open: at('/uplink'), answers: { '/uplink': 'uplink-connected' } },
    { name: 'uplink-error', open: at('/uplink'), answers: { '/uplink': failing } },
    { name: 'uplink-not-allowed', open: at('/uplink'), answers: { '/uplink': denied } },
    { name: 'uplink-viewer', open: at('/uplink'), answers: { '/session': 'viewer' } },
    { name: 'uplink-stale', open: at('/uplink'), act: goStale, answers: { '/events': 'cut' } },
    { name: 'uplink-german', open: at('/uplink'), language: 'de', looks: ['light', 'phone'] },
    { name: 'dialog-uplink-register', open: at('/uplink'), answers: { '/uplink': 'uplink-none' }, act: (page) => page.locator('.page-head .button.primary').click() },
    { name: 'dialog-uplink-forget', open: at('/uplink'), act: (page) => page.locator('.page-head .button.danger').click() },
    { name: 'enrol-agent', open: at('/enrol-agent') },
    { name: 'enrol-agent-errors', open: at('/enrol-agent'), act: enrolRefused },
    { name: 'enrol-agent-code', open: at('/enrol-agent'), act: enrolOpen },
    { name: 'enrol-agent-done', open: at('/enrol-agent'), act: enrolOpen, answers: { '/agents/enrolments': json(200, EMPTY) } },
    { name: 'enrol-agent-viewer', open: at('/enrol-agent'), answers: { '/session': 'viewer' } },
    { name: 'enrol-agent-german', open: at('/enrol-agent'), language: 'de', looks: ['phone'] },
    { name: 'agent', open: at('/devices/agent%3A00112233445566aa') },
    { name: 'dialog-revoke', open: at('/devices/agent%3A00112233445566aa'), act: (page) => page.locator('.panel > header .button.danger').click() },
    { name: 'agent-german', open: at('/devices/agent%3A00112233445566aa'), language: 'de', looks: ['light', 'phone'] },
    { name: 'board-none', open: at('/diagnostics'), answers: { '/board': json(200, { title: null, backend: null, problem: null, drivable: false, light: null, contacts: [], temperatures: [], fans: [], serial: [] }) } },
    { name: 'board-error', open: at('/diagnostics'), answers: { '/board': failing } },
    { name: 'diagnostics-german', open: at('/diagnostics'), language: 'de', looks: ['light', 'phone'] },
    { name: 'audit-german', open: at('/audit'), language: 'de', looks: ['light'] },
    { name: 'audit-checkpoint-error', open: at('/audit'), answers: { '/site-log/checkpoint': failing } },
    { name: 'more', open: at('/settings') },
    { name: 'settings-display', open: at('/settings/display') },
    { name: 'settings-people', open: at('/settings/people') },
    { name: 'settings-keys', open: at('/settings/keys') },
    { name: 'settings-sessions', open: at('/settings/sessions') },
    { name: 'not-found', open: at('/nowhere') },
    { name: 'sign-in', open: at('/sign-in'), answers: { '/session': json(401, { title: 'Unauthorized', status: 401 }), '/setup': json(200, { needed: false, steps: [], ca_fingerprint: null, box_time: new Date().toISOString() }) } },
    { name: 'setup-owner', open: at('/setup'), answers: setupAnswers() },
    { name: 'setup-owner-errors', open: at('/setup'), answers: setupAnswers(), act: (page) => page.click('button[type=submit]') },
    { name: 'setup-trust', open: at('/setup'), answers: setupAnswers(), act: (page) => setupUntil(page, 1) },
    { name: 'setup-time', open: at('/setup'), answers: setupAnswers(), act: (page) => setupUntil(page, 2) },
    { name: 'rule', open: at('/rules'), act: (page) => page.locator('main a[href^="/rules/"]').first().click() },
    { name: 'dialog-enrol', open: at('/devices'), act: (page) => page.locator('.page-head .button.primary').click() },
    { name: 'dialog-quarantine', open: at(devicePath), act: (page) => page.locator('.page-head .button.danger').click() },
    { name: 'dialog-close-finding', open: at(`/findings/${encodeURIComponent(finding)}`), act: (page) => page.locator('.action-bar button', { hasText: /Close|Reopen|Schließen|öffnen/ }).first().click() },
    { name: 'dialog-person', open: at('/settings/people'), act: (page) => page.locator('.panel > header button').click() },
    { name: 'dialog-key', open: at('/settings/keys'), act: (page) => page.locator('.panel > header button').click() },
    { name: 'dialog-keyboard', open: at('/'), act: (page) => page.keyboard.press('?'), looks: ['light', 'dark'] },
    { name: 'dialog-find', open: at('/'), act: (page) => page.keyboard.press('Control+k'), looks: ['light', 'dark'] },
    { name: 'facet-open', open: at('/devices'), act: (page) => page.locator('.facet').first().click() },
    { name: 'devices-filter-empty', open: at('/devices?q=nothing-is-called-so') },
    { name: 'findings-filter-empty', open: at('/findings?q=nothing-is-called-so') },
    { name: 'overview-empty', open: at('/'), answers: { '/overview': 'empty-overview' } },
    { name: 'devices-empty', open: at('/devices'), answers: { '/devices': json(200, EMPTY) } },
    { name: 'findings-empty', open: at('/findings'), answers: { '/findings': json(200, EMPTY) } },
    { name: 'rules-empty', open: at('/rules'), answers: { '/rules': json(200, EMPTY) } },
    { name: 'audit-empty', open: at('/audit'), answers: { '/audit': json(200, EMPTY) } },
    { name: 'keys-empty', open: at('/settings/keys'), answers: { '/api-keys': json(200, EMPTY) } },
    { name: 'device-no-readings', open: at(devicePath), answers: { '/readings': json(200, EMPTY) } },
    { name: 'devices-error', open: at('/devices'), answers: { '/devices': failing } },
    { name: 'findings-error', open: at('/findings'), answers: { '/findings': failing } },
    { name: 'overview-error', open: at('/'), answers: { '/overview': failing } },
    { name: 'audit-not-allowed', open: at('/audit'), answers: { '/audit': denied, '/site-log/head': denied } },
    { name: 'devices-loading', open: at('/devices'), answers: { '/devices': 'never' } },
    { name: 'overview-viewer', open: at('/findings'), answers: { '/session': 'viewer' } },
    { name: 'overview-stale', open: at('/'), act: goStale, answers: { '/events': 'cut' } },
    { name: 'devices-stale', open: at('/devices'), act: goStale, answers: { '/events': 'cut' } },
    { name: 'device-stale', open: at(devicePath), act: goStale, answers: { '/events': 'cut' } },
    { name: 'overview-german', open: at('/'), language: 'de', looks: ['light'] },
    { name: 'finding-german', open: at(`/findings/${encodeURIComponent(finding)}`), language: 'de', looks: ['light'] },
    { name: 'overview-contrast', open: at('/'), contrast: true, looks: ['light', 'dark'] },
  ];
}

function setupAnswers() {
  const owner = { user: { id: 'u1', login: 'elin.lund', name: 'Elin Lund', role: 'owner' }, expires: new Date(Date.now() + 1e7).toISOString() };
  return {
    '/session': json(401, { title: 'Unauthorized', status: 401 }),
    '/setup/owner': json(201, owner),
    '/setup/finish': { status: 204 },
    '/setup': json(200, { needed: true, steps: ['owner', 'trust', 'time'], ca_fingerprint: 'harbor violet nine maple oxygen ladder frost tin', box_time: new Date().toISOString() }),
  };
}

async function setupUntil(page, step) {
  await page.fill('#code', '7KQ2-M9XA');
  await page.fill('#name', 'Elin Lund');
  await page.fill('#login', 'elin.lund');
  await page.fill('#password', 'eight words about cold');
  await page.click('button[type=submit]');
  await page.locator('.words, .mono').first().waitFor();
  if (step < 2) return;
  await page.locator('.wizard-body .button', { hasText: /match|stimmen/ }).click();
  await page.locator('.wizard-body .button.primary').click();
  await page.locator('#zone').waitFor();
}

async function enrolOpen(page) {
  await page.locator('input[value=box]').check();
  await page.fill('#agent-name', 'Compressor 2 agent');
  await page.click('form button[type=submit]');
  await page.locator('.code-groups, [role=status] .icon-40').first().waitFor();
}

async function enrolRefused(page) {
  await page.locator('input[value=device]').check();
  await page.fill('#agent-code', 'WRONG-WRONG-WRONG-WRONG');
  await page.click('form button[type=submit]');
  await page.locator('.field-error').first().waitFor();
}

/** The box falls silent, and an hour passes. */
async function goStale(page) {
  await page.waitForTimeout(SETTLE_MS);
  await page.context().setOffline(true);
  await page.clock.fastForward('01:00:00');
  await page.waitForTimeout(400);
}

async function answer(page, path, reply) {
  const pattern = new RegExp(`/api/v1(/[^?]*)?${path}(\\?.*)?$`);
  // Pages ask again by themselves: an answer that is under way when its page closes is no failure.
  await page.route(pattern, (route) => replyTo(route, reply).catch(() => route.abort().catch(() => undefined)));
}

async function replyTo(route, reply) {
  if (reply === 'never') return;
  if (reply === 'cut') return route.abort();
  if (reply === 'viewer') {
    const response = await route.fetch();
    const body = await response.json();
    return route.fulfill(json(200, { ...body, user: { ...body.user, role: 'viewer' } }));
  }
  if (typeof reply === 'string' && reply.startsWith('uplink-')) {
    const body = await (await route.fetch()).json();
    const none = { ...body, state: 'not-registered', url: null, site: null, gateway: null, tenant: null, acknowledged: '0', unsent: '0', oldest_unsent: null, last_success: null, problem: null, next_try: null };
    const kinds = {
      'uplink-none': none,
      'uplink-stopped': { ...body, state: 'stopped', next_try: null, problem: 'Central has a log of 8 812 000 records whose root is not the one of this box. Keep both and call your security contact.' },
      'uplink-connected': { ...body, state: 'connected', acknowledged: body.log_size, unsent: '0', oldest_unsent: null, last_success: new Date().toISOString(), problem: null, next_try: null },
    };
    return route.fulfill(json(200, kinds[reply]));
  }
  if (reply === 'empty-overview') {
    const body = await (await route.fetch()).json();
    const none = Object.fromEntries(Object.keys(body.devices).map((key) => [key, 0]));
    const open = Object.fromEntries(Object.keys(body.open).map((key) => [key, 0]));
    return route.fulfill(json(200, { ...body, verdict: 'all-clear', sentence: 'Nothing is open', reasons: [], open, devices: none, tiles: [], changes: [] }));
  }
  return route.fulfill(reply);
}

async function visit(browser, base, storage, step, look) {
  const found = { page: step.name, look, violations: [], policy: [], elsewhere: [], errors: [], overflow: false };
  const context = await browser.newContext({ ...LOOKS[look], storageState: storage, ignoreHTTPSErrors: true, locale: 'en-GB', timezoneId: 'Europe/Oslo', reducedMotion: 'reduce' });
  const page = await context.newPage();
  page.on('request', (request) => {
    if (!request.url().startsWith(base) && !request.url().startsWith('data:')) found.elsewhere.push(request.url());
  });
  page.on('console', (message) => {
    if (message.type() !== 'error') return;
    if (/Content Security Policy/i.test(message.text())) found.policy.push(message.text());
    else if (!/Failed to load resource|ERR_INTERNET_DISCONNECTED/.test(message.text())) found.errors.push(message.text());
  });
  page.on('pageerror', (error) => found.errors.push(String(error)));
  if (step.act === goStale) await page.clock.install();
  await page.addInitScript(
    ([language, contrast]) => {
      if (language) localStorage.setItem('sitewarden-language', language);
      if (contrast) localStorage.setItem('sitewarden-contrast', 'more');
    },
    [step.language ?? '', step.contrast ?? false],
  );
  for (const [path, reply] of Object.entries(step.answers ?? {})) await answer(page, path, reply);
  try {
    await step.open(page, base);
    await page.locator('main').first().waitFor();
    await page.waitForTimeout(SETTLE_MS);
    await step.act?.(page);
    await page.waitForTimeout(step.act ? 400 : 0);
    await page.evaluate(AXE);
    const result = await page.evaluate(() => globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
    found.violations = result.violations.map(({ id, impact, nodes }) => ({ id, impact, nodes: nodes.slice(0, 4).map((node) => `${node.target.join(' ')}: ${node.failureSummary?.split('\n')[1]?.trim() ?? ''}`) }));
    found.overflow = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
    await page.screenshot({ path: join(options.out, `${step.name}-${look}.png`), fullPage: !step.name.startsWith('dialog') });
  } catch (error) {
    found.errors.push(String(error).split('\n')[0]);
  }
  await context.close();
  return found;
}

async function signIn(browser, base) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const page = await context.newPage();
  await page.goto(`${base}/sign-in`);
  if (options.login) {
    await page.fill('#login', options.login);
    await page.fill('#password', options.password ?? '');
    await page.click('button[type=submit]');
    await page.locator('.app').waitFor();
  }
  const first = (path) => page.evaluate(async (url) => (await (await fetch(url)).json()).items?.[0]?.id ?? 'none', `/api/v1${path}`);
  const chosen = { device: options.device ?? (await first('/devices?kind=sensor&limit=1')), finding: options.finding ?? (await first('/findings?limit=1')) };
  const storage = await context.storageState();
  await context.close();
  return { storage, ...chosen };
}

const mock = options.base ? null : await startMock();
const base = (options.base ?? mock.base).replace(/\/$/, '');
const profile = await mkdtemp(join(tmpdir(), 'sitewarden-shots-'));
await mkdir(options.out, { recursive: true });
const browser = await chromium.launch({ executablePath: options.chromium, args: FLAGS, env: { ...process.env, HOME: profile } });
const results = [];
try {
  const { storage, device, finding } = await signIn(browser, base);
  const jobs = [];
  for (const step of plan(device, finding)) {
    if (options.only && !step.name.includes(options.only)) continue;
    for (const look of (step.looks ?? Object.keys(LOOKS)).filter((each) => !options.look || each === options.look)) jobs.push([step, look]);
  }
  const worker = async () => {
    for (let job = jobs.shift(); job; job = jobs.shift()) results.push(await visit(browser, base, storage, ...job));
  };
  await Promise.all(Array.from({ length: SIDE_BY_SIDE }, worker));
} finally {
  await browser.close();
  mock?.stop();
  await rm(profile, { recursive: true, force: true });
}
const bad = results.filter((each) => each.violations.length + each.policy.length + each.elsewhere.length + each.errors.length > 0 || each.overflow);
const report = { base: options.base ? base : 'mock', visits: results.length, bad };
await writeFile(join(options.out, 'result.json'), `${JSON.stringify({ ...report, results }, null, 2)}\n`);
process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
process.exitCode = bad.length > 0 ? 1 : 0;
