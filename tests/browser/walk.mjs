// First day of an owner: the wizard, the empty overview, then a device reports what it should not, and the
// finding appears while the page stays open. The pages of that day in light, dark and 390 px, all others in dark, each
// through axe.
//
// Task: `url`, `code` (set-up code), `publish` (command and arguments that make the device report),
// `device` (its id), `finding` (title that must appear), `value` (what its evidence must show).

import { execFileSync } from 'node:child_process';

import { axe, main, shot, SIZES } from './lib.mjs';

const LOGIN = { login: 'elin.lund', password: 'larch-harbour-violet-nine' };

await main(async (task, begin) => {
  const { page, complaints } = await begin();
  const steps = [];
  const look = async (name, kinds = ['light', 'dark', 'phone']) => {
    for (const kind of kinds) {
      const [size, colorScheme] = { light: ['desktop', 'light'], dark: ['desktop', 'dark'], phone: ['phone', 'light'] }[kind];
      await page.setViewportSize(SIZES[size]);
      await page.emulateMedia({ colorScheme });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      steps.push({ name: `${name}-${kind}`, violations: await axe(page), wide, screen: await shot(page, task, `${name}-${kind}`) });
    }
    await page.setViewportSize(SIZES.desktop);
    await page.emulateMedia({ colorScheme: 'light' });
  };

  await page.goto(task.url);
  await page.fill('#code', task.code);
  await page.fill('#name', 'Elin Lund');
  await page.fill('#login', LOGIN.login);
  await page.fill('#password', LOGIN.password);
  await look('wizard-owner');
  await page.click('button[type=submit]');
  await page.click('button[aria-pressed]');
  await look('wizard-trust');
  await page.click('main .button.primary');
  await page.fill('#site', 'Harbour cold store');
  await look('wizard-time');
  await page.click('button[type=submit]');
  await page.waitForURL((url) => !url.pathname.startsWith('/setup'));
  await page.waitForSelector('main h1');
  await look('overview-empty');

  await page.goto(`${task.url}/findings`);
  await page.waitForSelector('main h1');
  await look('findings-empty');
  // A reload would lose this.
  await page.evaluate(() => { window.stayedOpen = true; });
  execFileSync(task.publish[0], task.publish.slice(1));
  const finding = page.locator('main a', { hasText: task.finding }).first();
  await finding.waitFor();
  const stayedOpen = await page.evaluate(() => window.stayedOpen === true);
  await look('findings-live');
  await finding.click();
  await page.locator('main', { hasText: task.value }).first().waitFor();
  const evidence = await page.locator('main').innerText();
  await look('finding');

  await page.goto(`${task.url}/devices`);
  await page.waitForSelector('main h1');
  await look('devices');
  await page.goto(`${task.url}/`);
  await page.waitForSelector('main h1');
  await look('overview');

  // The rest of the pages once each, in dark: there a colour that was forgotten shows.
  const rest = ['rules', 'policies', 'enrol-agent', 'uplink', 'diagnostics', 'audit', 'settings', 'no-such-page'];
  const settings = ['display', 'people', 'keys', 'sessions'].map((section) => `settings/${section}`);
  for (const path of [`devices/${task.device}`, ...rest, ...settings]) {
    await page.goto(`${task.url}/${path}`);
    await page.waitForSelector('main h1');
    await look(path.replaceAll('/', '-'), ['dark']);
  }
  const cookies = await page.context().cookies();
  return { steps, stayedOpen, evidence, cookies, complaints };
});
