// Chromium as the stories drive it: the site's CA trusted as a technician would install it, no other
// source allowed, every complaint of the page collected. Judges nothing; the stories do.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { AxeBuilder } from '@axe-core/playwright';
import { chromium } from 'playwright-core';

const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** The sizes that pages are looked at in. */
export const SIZES = {
  desktop: { width: 1440, height: 900 },
  tablet: { width: 1024, height: 768 },
  phone: { width: 390, height: 844 },
};

/** Puts the CA into the certificate store of this home folder, where Chromium looks. */
function trust(home, ca) {
  const store = join(home, '.pki', 'nssdb');
  // A second browser of one task finds the store of the first.
  if (existsSync(join(store, 'cert9.db'))) return;
  mkdirSync(store, { recursive: true });
  execFileSync('certutil', ['-d', `sql:${store}`, '-N', '--empty-password']);
  execFileSync('certutil', ['-d', `sql:${store}`, '-A', '-t', 'C,,', '-n', 'site', '-i', ca]);
}

/**
 * A browser with one page. `task` is what the story gave: `home` (empty folder), `ca` (PEM file or null),
 * `chromium` (path), `screens` (folder for screenshots).
 */
export async function open(task, { size = 'desktop', theme = 'light' } = {}) {
  mkdirSync(task.home, { recursive: true });
  if (task.ca) trust(task.home, task.ca);
  const context = await chromium.launchPersistentContext(join(task.home, `profile-${size}-${theme}`), {
    executablePath: task.chromium,
    args: ARGUMENTS,
    env: { ...process.env, HOME: task.home },
    viewport: SIZES[size],
    colorScheme: theme,
    isMobile: size === 'phone',
    hasTouch: size === 'phone',
    reducedMotion: 'reduce',
    locale: 'en-GB',
    timezoneId: 'Europe/Berlin',
  });
  const page = context.pages()[0] ?? (await context.newPage());
  const complaints = watch(page);
  return { context, page, complaints };
}

/** Collects what a page must not do: errors, refused content, requests to anywhere but its own origin. */
export function watch(page) {
  const complaints = [];
  page.on('pageerror', (error) => complaints.push(`error: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(`console: ${message.text()} (${message.location().url})`);
  });
  page.on('request', (request) => {
    const url = new URL(request.url());
    const own = page.url() === 'about:blank' ? null : new URL(page.url()).origin;
    const foreign = own !== null && /^(https?|wss?):$/.test(url.protocol) && url.origin !== own;
    if (foreign) complaints.push(`foreign request: ${request.url()}`);
  });
  return complaints;
}

/** Violations of axe as short texts: rule, how many, where. */
export async function axe(page) {
  const { violations } = await new AxeBuilder({ page }).analyze();
  return violations.map(({ id, impact, nodes }) => `${id} (${impact}): ${nodes.map((node) => node.target.join(' ')).join('; ')}`);
}

/** A screenshot of the whole page, named for people. */
export async function shot(page, task, name) {
  mkdirSync(task.screens, { recursive: true });
  const path = join(task.screens, `${name}.png`);
  await page.screenshot({ path, fullPage: true });
  return path;
}

/** Runs a script: reads its task from the command line, prints its result as the last line. */
export async function main(run) {
  const task = JSON.parse(process.argv[2]);
  const opened = [];
  const begin = async (options) => {
    const browser = await open(task, options);
    opened.push(browser);
    return browser;
  };
  try {
    const result = await run(task, begin);
    console.log(JSON.stringify(result));
  } catch (error) {
    for (const { page, complaints } of opened) {
      console.error(`at ${page.url()}; complaints: ${JSON.stringify(complaints)}`);
      await shot(page, task, 'failed').catch(() => {});
    }
    throw error;
  } finally {
    for (const { context } of opened) await context.close();
  }
}
