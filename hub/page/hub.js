// The operators' page: sign-in, sites, findings with search, one finding's proof, alarms.
// Shows what the API gives; texts go into the document as text alone, never as markup.

const SEVERITIES = ['critical', 'high', 'medium', 'low', 'info'];
const SHAPES = {
  critical: 'M5 1h6l4 4v6l-4 4H5l-4-4V5z',
  high: 'M8 1.5 15.5 14.500H.5z',
  medium: 'M8 .8 15.200 8 8 15.200.8 8z',
  low: 'M8 1a7 7 0 1 1 0 14A7 7 0 0 1 8 1z',
  info: 'M8 1a7 7 0 1 1 0 14A7 7 0 0 1 8 1zm0 2a5 5 0 1 0 0 10A5 5 0 0 0 8 3z',
  ok: 'M8 1a7 7 0 1 1 0 14A7 7 0 0 1 8 1zm3.500 4.200-4.400 4.600-2-2-1 1 3 3 5.400-5.600z',
};
const SIGNATURES = {
  verified: ['ok', 'Signed by the agent'],
  none: ['info', 'No agent signed it'],
  invalid: ['critical', 'Signature does not hold'],
  'unknown-agent': ['critical', 'Agent not enrolled'],
  replayed: ['critical', 'Statement used before'],
};
const ALARMS = {
  'log-forked': 'Log rewritten or forked',
  'bad-checkpoint': 'Checkpoint not signed by the site',
  'statement-invalid': 'Statement not signed by its agent',
  'statement-replayed': 'Statement used a second time',
};

const main = document.querySelector('#main');
const nav = document.querySelector('#nav');
const who = document.querySelector('#who');
const leave = document.querySelector('#leave');
const theme = document.querySelector('#theme');

/** An element with attributes and children; strings become text. */
function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key === 'on') for (const [event, handler] of Object.entries(value)) element.addEventListener(event, handler);
    else element.setAttribute(key, value === true ? '' : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false && child !== ''));
  return element;
}

function badge(tone, text) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '0 0 16 16');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  path.setAttribute('d', SHAPES[tone] ?? SHAPES.info);
  path.setAttribute('fill', 'currentColor');
  path.setAttribute('fill-rule', 'evenodd');
  svg.append(path);
  return el('span', { class: `badge ${tone}` }, svg, text);
}

/** What the API refused, in its own words. */
class Refused extends Error {
  constructor(status, problem) {
    super(problem?.detail ?? `The hub answered ${status} and said no more.`);
    this.status = status;
  }
}

async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, { ...options, headers: { 'X-Sitewarden': '1', ...options.headers } });
  } catch {
    throw new Refused(0, { detail: 'No answer from the hub. Nothing was changed; look at the line and try again.' });
  }
  if (answer.status === 204) return null;
  const body = await answer.json().catch(() => null);
  if (!answer.ok) throw new Refused(answer.status, body);
  return body;
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
const count = (text) => String(text).replace(/\B(?=(\d{3})+$)/g, '\u202f');

const times = (text) => (text === '1' ? 'once' : `${count(text)} times`);

function age(seconds) {
  const s = Number(seconds);
  if (s < 60) return `${Math.max(0, s)} s ago`;
  if (s < 3600) return `${Math.floor(s / 60)} min ago`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min ago`;
  return `${Math.floor(s / 86400)} d ago`;
}

function time(text) {
  const date = new Date(text);
  if (Number.isNaN(date.getTime())) return text;
  const clock = date.toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
  if (date.toDateString() === new Date().toDateString()) return `today ${clock}`;
  return `${date.toLocaleDateString('en-GB', { day: 'numeric', month: 'short', year: 'numeric' })} ${clock}`;
}

function show(...children) {
  main.replaceChildren(...children.flat().filter(Boolean));
}

function failed(error) {
  show(el('h1', {}, 'This could not be shown'), el('p', { class: 'note critical', role: 'alert' }, error.message));
}

/** A table whose rows become cards on a phone; `more` loads the next page behind it. */
function table(heads, rows, next, more) {
  const body = el('tbody', {}, rows);
  const panel = el('div', { class: 'panel' }, el('table', {}, el('thead', {}, el('tr', {}, heads)), body));
  const button = (cursor) => {
    const press = el('button', { class: 'button', type: 'button', on: { click: async () => {
      press.disabled = true;
      try {
        const page = await more(cursor);
        body.append(...page.rows);
        foot.remove();
        if (page.next) panel.append(button(page.next));
      } catch (error) {
        press.disabled = false;
        foot.append(el('p', { role: 'alert' }, error.message));
      }
    } } }, 'Show more');
    const foot = el('div', { class: 'more' }, press);
    return foot;
  };
  if (next) panel.append(button(next));
  return panel;
}

const head = (text, kind = '') => el('th', { scope: 'col', class: kind || null }, text);

function cell(content, { label = null, wide = false, number = false } = {}) {
  const kinds = [wide && 'wide', number && 'number'].filter(Boolean).join(' ');
  return el('td', { 'data-label': label, class: kinds || null }, content);
}

function siteRow(site) {
  const behind = site.log_size_there !== null && BigInt(site.log_size_there) > BigInt(site.log_size);
  const state = site.alarms !== '0' ? badge('critical', `${site.alarms} alarm${site.alarms === '1' ? '' : 's'}`)
    : Number(site.age_seconds) > 600 ? badge('medium', 'Silent') : behind ? badge('low', 'Catching up') : badge('ok', 'OK');
  return el('tr', {},
    cell(el('a', { href: `#/findings?site=${site.id}` }, site.name)),
    cell(state),
    cell(age(site.age_seconds), { label: 'Heard' }),
    cell(site.version, { label: 'Version' }),
    cell(`${count(site.log_size)}${behind ? ` of ${count(site.log_size_there)}` : ''}`, { label: 'Records', number: true }),
    cell(count(site.checkpoint_size), { label: 'Proven', number: true }),
    cell(count(site.open_findings), { label: 'Open findings', number: true }));
}

async function sites() {
  const load = (cursor) => ask(`/v1/sites?limit=100${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`);
  const page = await load(null);
  const bad = page.items.filter((site) => site.alarms !== '0').length;
  const silent = page.items.filter((site) => Number(site.age_seconds) > 600).length;
  const plural = (number, word) => `${number} ${word}${number === 1 ? '' : 's'}`;
  let verdict = page.items.length === 0 ? 'No site is registered yet'
    : bad ? `${plural(bad, 'site')} of ${page.items.length}${page.next ? '+' : ''} ${bad === 1 ? 'has' : 'have'} alarms about ${bad === 1 ? 'its' : 'their'} log`
    : silent ? `${plural(silent, 'site')} of ${page.items.length} not heard for 10 minutes`
    : `All ${plural(page.items.length, 'site')} are heard and their logs agree`;
  show(el('h1', {}, verdict),
    page.items.length === 0
      ? el('p', { class: 'note' }, 'Make a claim code by ', el('code', {}, 'sitewarden-hub claim create --tenant NAME'), ' and enter it at the gateway.')
      : table([head('Site'), head('State'), head('Heard'), head('Version'), head('Records', 'number'), head('Proven', 'number'), head('Open findings', 'number')],
          page.items.map(siteRow), page.next, async (cursor) => {
            const more = await load(cursor);
            return { rows: more.items.map(siteRow), next: more.next };
          }));
}

function findingRow(finding) {
  const [tone, word] = SIGNATURES[finding.signature] ?? ['info', finding.signature];
  return el('tr', {},
    cell(badge(finding.severity, capital(finding.severity))),
    cell([el('a', { href: `#/findings/${finding.site}/${finding.id}` }, finding.title), finding.demo && ' ', finding.demo && badge('info', 'Demo')], { wide: true }),
    cell(finding.site_name, { label: 'Site' }),
    cell(finding.asset_name, { label: 'Asset' }),
    cell(capital(finding.status)),
    cell(badge(tone, word)),
    cell(time(finding.changed), { label: 'Changed' }));
}

function choice(label, name, value, options) {
  return el('label', { class: 'field' }, el('span', {}, label),
    el('select', { name }, options.map(([key, text]) => el('option', { value: key, selected: key === value }, text))));
}

async function findings(query) {
  const asked = new URLSearchParams(query);
  const load = (cursor) => {
    const parameters = new URLSearchParams(asked);
    parameters.set('limit', '50');
    if (cursor) parameters.set('cursor', cursor);
    return ask(`/v1/findings?${parameters}`);
  };
  const site = asked.get('site');
  const [page, about] = await Promise.all([load(null), site ? ask(`/v1/sites/${encodeURIComponent(site)}`) : null]);
  const form = el('form', { class: 'filters', role: 'search', on: {
    submit: (event) => { event.preventDefault(); apply(); },
    change: () => apply(),
  } },
  el('label', { class: 'field' }, el('span', {}, 'Search in title, asset and rule'), el('input', { type: 'search', name: 'q', value: asked.get('q') ?? '', maxlength: 200 })),
  choice('Severity', 'severity', asked.get('severity') ?? '', [['', 'All'], ...SEVERITIES.map((name) => [name, capital(name)])]),
  choice('Status', 'status', asked.get('status') ?? '', [['', 'All'], ['open', 'Open'], ['acknowledged', 'Acknowledged'], ['closed', 'Closed']]),
  choice('Signature', 'signature', asked.get('signature') ?? '', [['', 'All'], ...Object.entries(SIGNATURES).map(([key, [, text]]) => [key, text])]));
  function apply() {
    const wanted = new URLSearchParams([...new FormData(form)].filter(([, value]) => value !== ''));
    if (site) wanted.set('site', site);
    location.hash = `#/findings?${wanted}`;
  }
  const filtered = [...asked.keys()].some((key) => key !== 'site');
  const number = `${page.items.length}${page.next ? '+' : ''}`;
  const title = about ? `Findings of ${about.name}` : 'Findings of all sites';
  const list = page.items.length === 0
    ? el('p', { class: 'note' }, filtered ? 'No finding fits the search. Change or clear the filters.' : 'No findings. What a site raises appears here when its gateway has sent it.')
    : table([head('Severity'), head('Finding'), head('Site'), head('Asset'), head('Status'), head('Signature'), head('Changed')],
        page.items.map(findingRow), page.next, async (cursor) => {
          const more = await load(cursor);
          return { rows: more.items.map(findingRow), next: more.next };
        });
  show(el('h1', {}, `${title}: ${number}`),
    about && el('p', { class: 'small' }, el('a', { href: '#/findings' }, 'Show all sites')), form, list);
}

function fact(term, ...value) {
  return [el('dt', {}, term), el('dd', {}, ...value)];
}

function link(done, title, ...content) {
  return el('li', { class: done ? null : 'missing' }, el('h2', {}, title), ...content);
}

// An agent states its values in thousandths of their unit.
function thousandths(value) {
  return (value / 1000).toLocaleString('en-GB', { maximumFractionDigits: 3 });
}

function chain(proof) {
  const { finding, statement, records, checkpoint } = proof;
  const items = [];
  if (statement) {
    const says = statement.says;
    items.push(link(finding.signature === 'verified', `Agent ${statement.agent} signed a statement`,
      says ? el('p', { class: 'small' }, `It says: ${says.kind} ${says.state}${says.value === null ? '' : `, value ${thousandths(says.value)}`}${says.limit === null ? '' : `, limit ${thousandths(says.limit)}`}; start ${says.boot_counter}, ${count(says.uptime_ms)} ms after it.`)
        : el('p', { class: 'note critical' }, 'The signature does not hold, or the agent is not enrolled.'),
      el('dl', {}, fact('COSE_Sign1', el('code', {}, statement.bytes)), fact('Agent’s key', statement.signing_key ? el('code', {}, statement.signing_key) : 'not in the log'),
        fact('Enrolled by', statement.enrolled_seq ? `record ${count(statement.enrolled_seq)}` : 'no record'))));
  }
  for (const record of records) {
    items.push(link(record.inclusion !== null, `Record ${count(record.seq)} of the site’s log: ${record.kind}`,
      el('dl', {}, fact('Time', time(record.time)), fact('Leaf hash', el('code', {}, record.leaf_hash)),
        fact('Inclusion', record.inclusion ? `${record.inclusion.path.length} hashes lead to the root over ${count(record.inclusion.size)} records` : 'no checkpoint covers it yet'))));
  }
  items.push(link(checkpoint !== null, checkpoint ? 'The site signed this checkpoint' : 'The site has signed no checkpoint yet',
    checkpoint && el('pre', { tabindex: '0', 'aria-label': 'Checkpoint' }, checkpoint), el('dl', {}, fact('Log’s key', el('code', {}, proof.log_key)))));
  return el('ol', { class: 'chain' }, items);
}

async function finding(site, id) {
  const path = `/v1/sites/${encodeURIComponent(site)}/findings/${encodeURIComponent(id)}/proof`;
  const proof = await ask(path);
  const found = proof.finding;
  const [tone, word] = SIGNATURES[found.signature] ?? ['info', found.signature];
  show(
    el('p', { class: 'small' }, el('a', { href: `#/findings?site=${site}` }, `Findings of ${found.site_name}`)),
    el('h1', {}, found.title),
    el('p', { class: 'actions' }, badge(found.severity, capital(found.severity)), badge('info', capital(found.status)), badge(tone, word),
      found.proven ? badge('ok', 'Covered by a checkpoint') : badge('medium', 'Not covered by a checkpoint yet'), found.demo && badge('info', 'Demo')),
    el('section', { class: 'panel' }, el('h2', {}, 'What happened'), el('div', { class: 'body' },
      found.summary && el('p', {}, found.summary),
      el('dl', {}, fact('Site', found.site_name), fact('Asset', found.asset_name, found.asset && found.asset !== found.asset_name ? ` (${found.asset})` : ''),
        fact('Rule', found.rule_id), fact('Raised', time(found.raised)), fact('Last change', time(found.changed)), fact('Seen', times(found.count))))),
    el('section', { class: 'panel' }, el('h2', {}, 'What proves it'), el('div', { class: 'body' },
      el('p', { class: 'quiet' }, 'Each step can be checked without this hub: the file has the exact bytes, hashes, signatures and keys.'),
      el('p', { class: 'actions' }, el('a', { class: 'button primary', href: `${path}?download=true`, download: true }, 'Download the proof')),
      chain(proof))));
}

function alarmRow(alarm) {
  return el('tr', {},
    cell(badge('critical', ALARMS[alarm.kind] ?? alarm.kind), { wide: true }),
    cell(el('a', { href: `#/findings?site=${alarm.site}` }, alarm.site_name)),
    cell(alarm.detail, { wide: true }),
    cell(time(alarm.last), { label: 'Last' }),
    cell(times(alarm.count), { label: 'Seen' }));
}

async function alarms() {
  const load = (cursor) => ask(`/v1/alarms?limit=50${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`);
  const page = await load(null);
  if (page.items.length === 0) {
    show(el('h1', {}, 'No alarms'), el('p', { class: 'note ok' }, 'Every log is what it was, and every statement is signed by its agent.'));
    return;
  }
  show(el('h1', {}, `${page.items.length}${page.next ? '+' : ''} alarm${page.items.length === 1 ? '' : 's'} about logs`),
    el('p', { class: 'quiet' }, 'What was stored first stays; what contradicts it is kept as evidence. The hub removes no alarm.'),
    table([head('Alarm'), head('Site'), head('What happened'), head('Last'), head('Seen')], page.items.map(alarmRow), page.next, async (cursor) => {
      const more = await load(cursor);
      return { rows: more.items.map(alarmRow), next: more.next };
    }));
}

function signIn(message = null) {
  nav.hidden = leave.hidden = true;
  who.textContent = '';
  const told = el('p', { class: 'note critical', role: 'alert', hidden: message === null }, message ?? '');
  const press = el('button', { class: 'button primary', type: 'submit' }, 'Sign in');
  const form = el('form', { on: { submit: async (event) => {
    event.preventDefault();
    press.disabled = true;
    try {
      const fields = Object.fromEntries(new FormData(form));
      await ask('/v1/session', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(fields) });
      await begin();
    } catch (error) {
      told.textContent = error.message;
      told.hidden = false;
      press.disabled = false;
    }
  } } },
  el('h1', {}, 'Sign in'), told,
  el('label', { class: 'field' }, el('span', {}, 'Login'), el('input', { name: 'login', autocomplete: 'username', required: true, autofocus: true })),
  el('label', { class: 'field' }, el('span', {}, 'Password'), el('input', { name: 'password', type: 'password', autocomplete: 'current-password', required: true })),
  press);
  show(el('div', { class: 'panel login' }, form));
  form.querySelector('input').focus();
}

let turn = 0;

async function route() {
  const mine = ++turn;
  const [path, query] = location.hash.slice(1).split('?');
  const [, page, site, id] = path.split('/');
  for (const entry of nav.querySelectorAll('a')) {
    if (entry.hash === `#/${page || 'sites'}`) entry.setAttribute('aria-current', 'page');
    else entry.removeAttribute('aria-current');
  }
  try {
    if (page === 'findings' && site && id) await finding(site, id);
    else if (page === 'findings') await findings(query ?? '');
    else if (page === 'alarms') await alarms();
    else await sites();
    document.title = `${main.querySelector('h1')?.textContent ?? ''} · Sitewarden hub`;
  } catch (error) {
    if (mine !== turn) return;
    if (error.status === 401) signIn();
    else failed(error);
  }
}

async function begin() {
  try {
    const session = await ask('/v1/session');
    who.textContent = `${session.login} · ${session.tenant}`;
    nav.hidden = leave.hidden = false;
    await route();
  } catch (error) {
    if (error.status === 401) signIn();
    else failed(error);
  }
}

function nameTheme() {
  theme.textContent = document.documentElement.dataset.theme === 'dark' ? 'Light' : 'Dark';
}

theme.addEventListener('click', () => {
  const next = document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark';
  document.documentElement.dataset.theme = next;
  try { localStorage.setItem('theme', next); } catch { /* storage is off: for this page alone */ }
  nameTheme();
});
leave.addEventListener('click', async () => {
  try {
    await ask('/v1/session', { method: 'DELETE' });
    signIn();
  } catch (error) {
    if (error.status === 401) signIn(); else failed(error);
  }
});
addEventListener('hashchange', () => {
  main.focus({ preventScroll: true });
  scrollTo(0, 0);
  route();
});
nameTheme();
begin();
