// Opens one address and says what is there: title, status, headers, complaints, axe; with a screenshot.

import { axe, main, shot } from './lib.mjs';

await main(async (task, begin) => {
  const { page, complaints } = await begin({ size: task.size, theme: task.theme });
  const response = await page.goto(task.url, { waitUntil: 'load' });
  await page.waitForFunction(() => document.body.innerText.trim() !== '');
  return {
    status: response.status(),
    headers: await response.allHeaders(),
    title: await page.title(),
    text: await page.evaluate(() => document.body.innerText),
    violations: await axe(page),
    complaints,
    screen: await shot(page, task, task.name ?? 'visit'),
  };
});
