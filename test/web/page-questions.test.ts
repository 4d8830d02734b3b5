// What the agent asks, on the page: by mouse, by keyboard and to a screen reader; answered once, and gone then.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { browserNote, chromiumPath, launchBrowser, openPage, type WatchedPage } from './browser.ts';
import { createFakeApi, type FakeApi, type FakeQuestion } from './fake-api.ts';

const publish: FakeQuestion = {
  ...{ id: 'q1', kind: 'approval', title: 'Bash: npm publish', covers: 'call' },
  ...{ options: [], multiple: false, answer: null },
};
const remove: FakeQuestion = { ...publish, id: 'q2', title: 'Bash: rm a', covers: 'tool' };
const options = ['Red', 'Blue', 'Green'].map((label) => ({ label, description: '' }));
const color: FakeQuestion = { ...publish, id: 'q3', kind: 'choice', title: 'Which color?', options };

describe.skipIf(!chromiumPath)(`questions on the chat page${browserNote}`, () => {
  let browser: Browser;
  let api: FakeApi;
  let page: WatchedPage;

  beforeAll(async () => {
    browser = await launchBrowser();
  });
  afterAll(() => browser?.close());
  beforeEach(async () => {
    api = await createFakeApi();
  });
  afterEach(async () => {
    const { defects } = page;
    await page.context().close();
    await api.close();
    expect(defects).toEqual([]);
  });

  async function open(asked: readonly FakeQuestion[], options: Parameters<typeof openPage>[2] = {}) {
    api.add('web-q', 'Do it').finish({ text: 'May I? `npm publish`', asked });
    page = await openPage(browser, `${api.url}/#/c/web-q`, options);
    await page.locator('.questions').waitFor();
  }
  const button = (name: string, question = 0) =>
    page.locator('.question').nth(question).getByRole('button', { name, exact: true });

  test('a press is an answer, the panel goes away, and the agent goes on', async () => {
    await open([publish]);
    await button('Allow once').click();
    const turn = await api.turnOf('q1 once');
    await page.locator('.questions').waitFor({ state: 'detached' });
    expect(await page.locator('.ask').last().textContent()).toContain('Allow once');
    turn.run();
    turn.finish({ text: 'Published.', answered: [{ ...publish, answer: { decision: 'once' } }] });
    await page.locator('.prose', { hasText: 'Published.' }).waitFor();
    expect(await page.locator('.questions').count()).toBe(0);
    expect(api.turns.filter(({ kind }) => kind === 'answer')).toHaveLength(1);
  });

  test('the keyboard reaches all of it: why not is written where the focus goes', async () => {
    await open([publish]);
    await button('Deny and say why').focus();
    await page.keyboard.press('Enter');
    await page.keyboard.type('It is Friday.');
    await page.keyboard.press('Enter');
    await api.turnOf('q1 deny It is Friday.');
    await page.locator('.questions').waitFor({ state: 'detached' });
    // The focus is where one goes on.
    expect(await page.evaluate('document.activeElement?.tagName')).toBe('TEXTAREA');
  });

  test('of several, those that wait stay after one was answered, also after a reload', async () => {
    await open([publish, remove, color]);
    expect(await page.locator('.question').count()).toBe(3);
    await button('Allow for this chat', 1).click();
    const noted = await api.turnOf('q2 chat');
    const answered = [publish, { ...remove, answer: { decision: 'chat' } }, color];
    noted.finish({ text: 'Noted. 2 more questions wait.', answered });
    await page.locator('.question').nth(1).waitFor();
    await page.reload();
    await page.locator('.questions').waitFor();
    expect(await page.locator('.question legend').allTextContents()).toEqual([
      'Bash: npm publish',
      'Which color?',
    ]);
    await page.getByLabel('Another answer').fill('A dark green');
    await page.keyboard.press('Enter');
    await api.turnOf('q3 reply A dark green');
  });

  test('of a choice several may be picked where the agent says so', async () => {
    await open([{ ...color, multiple: true }]);
    await page.getByLabel('Red').check();
    await page.getByLabel('Green').check();
    await button('Answer').first().click();
    await api.turnOf('q3 reply Red, Green');
  });

  test('a question that a later message has closed is not shown', async () => {
    api.add('web-q', 'Do it').finish({ text: 'May I?', asked: [publish] });
    api.add('web-q', 'Forget it').finish({ text: 'Done.' });
    page = await openPage(browser, `${api.url}/#/c/web-q`);
    await page.locator('.prose', { hasText: 'Done.' }).waitFor();
    expect(await page.locator('.questions').count()).toBe(0);
  });

  test.each(['light', 'dark'] as const)('axe finds nothing (%s)', async (colorScheme) => {
    await open([publish, { ...color, multiple: true }, color], { bypassCSP: true, colorScheme });
    await button('Deny and say why').click();
    await page.evaluate(await readFile(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8'));
    const found =
      await page.evaluate(`axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) =>
      violations.map(({ id, nodes }) => id + ': ' + nodes.map((node) => node.html.slice(0, 90)).join(' | ')))`);
    expect(found).toEqual([]);
  });
});
