// Content never takes the page over: whatever a reply, a message or a tool holds, it is shown (at worst as text), the
// turns around it stand, and the page answers meanwhile. A table of texts; the measures are the same for each.
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { browserNote, chromiumPath, launchBrowser, openPage } from './browser.ts';
import { createFakeApi, type FakeApi } from './fake-api.ts';

const lines = (count: number, line: (i: number) => string) =>
  Array.from({ length: count }, (_, i) => line(i)).join('\n');

/** Each ends in words that have to be seen. */
const HOSTILE: Record<string, string> = {
  '3,000 nested quotes': `${'>'.repeat(3_000)} the end`,
  '600 lines of quotes, each less deep': `${lines(600, (i) => `${'> '.repeat(60 - (i % 60))}x`)}\n\nthe end`,
  'quotes and lists in each other': `${lines(400, (i) => `${(i % 2 ? '> - ' : '- > ').repeat(i % 60)}x`)}\n\nthe end`,
  'a list 400 levels deep': `${lines(400, (i) => `${'  '.repeat(i)}- x`)}\n\nthe end`,
  '20,000 brackets': `${'['.repeat(20_000)} the end`,
  'unclosed emphasis': `${'*a **b _c '.repeat(8_000)} the end`,
  'a table of 20,000 rows': `| a | b |\n| - | - |\n${'| x | y |\n'.repeat(20_000)}\nthe end`,
  '50,000 raw elements': `${'<div>'.repeat(50_000)} the end`,
  'one word of 300,000 letters': `${'w'.repeat(300_000)} the end`,
  '30,000 headings': `${lines(30_000, (i) => `${'#'.repeat(1 + (i % 6))} h`)}\n\nthe end`,
  'control characters and overrides': 'a\u0000b\u001b[2J\u202egnp.exe\u2066 the end',
  'half a surrogate pair': 'a\ud83d b\ude00 the end',
};
/** The page has to answer at least this often while it draws, on a machine that may do much else. */
const LONGEST_TASK_MS = 10_000;

describe.skipIf(!chromiumPath)(`hostile content on the chat page${browserNote}`, () => {
  let browser: Browser;
  let api: FakeApi;

  beforeAll(async () => {
    browser = await launchBrowser();
  });
  afterAll(() => browser?.close());
  beforeEach(async () => {
    api = await createFakeApi();
  });
  afterEach(() => api.close());

  const watchTasks = `window.longestTask = 0;
    new PerformanceObserver((list) => {
      for (const task of list.getEntries()) window.longestTask = Math.max(window.longestTask, task.duration);
    }).observe({ type: 'longtask' });`;

  test.each(Object.entries(HOSTILE))('%s: in the history, live, and as a message', async (_, text) => {
    api.add('web-hostile', 'before').finish({ text: '**before** it' });
    api.add('web-hostile', text).finish({ text });
    api.add('web-hostile', 'after').finish({ text: '**after** it' });
    const page = await openPage(browser, 'about:blank');
    await page.addInitScript(watchTasks);
    await page.goto(`${api.url}/#/c/web-hostile`);
    const turn = (n: number) => page.locator('.turn').nth(n);
    await turn(0).locator('.prose strong', { hasText: 'before' }).waitFor();
    await turn(2).locator('.prose strong', { hasText: 'after' }).waitFor();
    await turn(1).locator('.prose').getByText('the end').last().waitFor({ state: 'attached' });
    expect(await turn(1).locator('.ask-text').textContent()).toContain('the end');
    // Live: it streams in pieces, with a tool that was given it and answered it.
    await page.fill('#message', 'live');
    await page.press('#message', 'Enter');
    const live = await api.turnOf('live');
    live.run();
    live.tool('1', 'Bash', text.slice(0, 200), 'started', { input: JSON.stringify({ command: text }) });
    live.tool('1', 'Bash', text.slice(0, 200), 'done', { result: text });
    for (let at = 0; at < text.length; at += Math.ceil(text.length / 10)) {
      live.say(text.slice(at, at + Math.ceil(text.length / 10)));
    }
    live.finish();
    await turn(3).and(page.locator('[data-outcome=ok]')).waitFor();
    await turn(3).locator('.tool summary').click();
    await turn(3).locator('.prose').getByText('the end').last().waitFor({ state: 'attached' });
    await page.fill('#message', 'still here');
    await page.press('#message', 'Enter');
    (await api.turnOf('still here')).finish({ text: '_yes_' });
    await turn(4).locator('.prose em', { hasText: 'yes' }).waitFor();
    expect(await page.evaluate('window.longestTask')).toBeLessThan(LONGEST_TASK_MS);
    expect(page.defects).toEqual([]);
    await page.context().close();
  });

  test('events and statuses that this page does not know leave the turn as it is; waiting is said', async () => {
    const page = await openPage(browser, api.url);
    await page.fill('#message', 'Wait');
    await page.press('#message', 'Enter');
    const turn = await api.turnOf('Wait');
    turn.run();
    turn.emit('status', {
      status: 'waiting',
      waiting_for: 'model',
      next_try_at: '2030-01-01T00:00:00.000Z',
      text: 'Waiting for the model. Your message is kept.',
    });
    await page
      .locator('.working-text', { hasText: 'Waiting for the model. Your message is kept. Next try at' })
      .waitFor();
    turn.emit('status', { status: 'warming_up' });
    await page.locator('.working-text', { hasText: 'Warming up' }).waitFor();
    turn.emit('status', {});
    for (const type of ['status', 'text', 'tool', 'notice'])
      for (const data of [null, {}, [], 'text', { id: 7, name: null, summary: 3, input: 1, result: {} }])
        turn.emit(type, data);
    turn.emit('telepathy', { of: 'the future' });
    turn.emit('notice', { text: 'The tool server "notes" did not start.' });
    await page.locator('.notice', { hasText: 'The tool server "notes" did not start.' }).waitFor();
    turn.say('Here.');
    turn.finish();
    await page.locator('.prose', { hasText: 'Here.' }).waitFor();
    expect(page.defects).toEqual([]);
    await page.context().close();
  });
});
