// Walks through the hub's page as an operator: sign-in, sites, findings with search, one finding's proof, alarms.
// In each size and theme; axe on every page. Judges nothing; the test does.

import { axe, main, shot } from './lib.mjs';

await main(async (task, begin) => {
  const seen = [];
  for (const [size, theme] of [['desktop', 'light'], ['phone', 'dark'], ['desktop', 'dark'], ['phone', 'light']]) {
    const { page, complaints } = await begin({ size, theme });
    const step = async (name, text) => {
      await page.locator('h1', { hasText: text }).waitFor();
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      seen.push({ name: `${name} ${size} ${theme}`, text: await page.evaluate(() => document.body.innerText), wide, violations: await axe(page) });
      await shot(page, task, `hub-${name}-${size}-${theme}`);
    };
    await page.goto(task.url, { waitUntil: 'load' });
    await step('sign-in', 'Sign in');
    await page.fill('[name=login]', task.login);
    await page.fill('[name=password]', 'wrong');
    await page.click('button[type=submit]');
    await page.locator('[role=alert]', { hasText: 'wrong' }).waitFor();
    await page.fill('[name=password]', task.password);
    await page.click('button[type=submit]');
    await step('sites', 'alarms about');
    await page.click('nav a[href="#/findings"]');
    await step('findings', 'Findings of all sites: 3');
    await page.fill('[name=q]', 'door');
    await page.keyboard.press('Enter');
    await step('search', 'Findings of all sites: 1');
    await page.click('nav a[href="#/findings"]');
    await page.locator('h1', { hasText: ': 3' }).waitFor();
    await page.click('td a:has-text("Cold room too warm")');
    await step('finding', 'Cold room too warm');
    await page.click('nav a[href="#/alarms"]');
    await step('alarms', '1 alarm about');
    await page.click('#leave');
    await page.locator('h1', { hasText: 'Sign in' }).waitFor();
    seen.push({ name: `complaints ${size} ${theme}`, complaints: complaints.filter((text) => !text.includes('status of 401')) });
  }
  return seen;
});
