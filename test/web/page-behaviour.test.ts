// What a person does on the page, against an API whose every event the test decides: send, watch, reload, queue, stop,
// lose the line. The real server's turn comes in page.test.ts.
import type { Browser, Locator } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { promise } from '../../src/core/promises.ts';
import { until } from '../waiting.ts';
import { browserNote, chromiumPath, launchBrowser, openPage, type WatchedPage } from './browser.ts';
import { createFakeApi, type FakeApi } from './fake-api.ts';

describe.skipIf(!chromiumPath)(`the chat page${browserNote}`, () => {
  let browser: Browser;
  let api: FakeApi;
  let page: WatchedPage;
  let laterTold = () => false;

  beforeAll(async () => {
    browser = await launchBrowser();
  });
  afterAll(() => browser?.close());
  beforeEach(async () => {
    api = await createFakeApi();
    page = await openPage(browser, api.url);
  });
  afterEach(async () => {
    const { defects } = page;
    await page.context().close();
    await api.close();
    expect(defects).toEqual([]);
  });

  const turn = (n: number) => page.locator('.turn').nth(n);
  const textOf = async (locator: Locator) => (await locator.textContent())?.trim();
  async function send(text: string) {
    await page.fill('#message', text);
    await page.press('#message', 'Enter');
    return api.turnOf(text);
  }

  /** From now on such requests are told to come back in an hour, so that only the person can be earlier. */
  async function comeBackLater(pattern: string): Promise<void> {
    let told = false;
    await page.route(pattern, (route) => {
      told = true;
      return route.fulfill({ status: 503, headers: { 'Retry-After': '3600' } });
    });
    laterTold = () => told;
  }

  /** Presses "Try now" until the notice goes: a press between two attempts has nothing to wake. */
  async function tryNow(): Promise<void> {
    const notice = page.locator('#connection');
    await until(laterTold);
    await page.unrouteAll();
    await until(async () => {
      if (await notice.isHidden()) return true;
      await page
        .getByRole('button', { name: 'Try now' })
        .click({ timeout: 1_000 })
        .catch(() => {});
      return false;
    });
  }

  test('a message is sent, its reply streams in, and the chat gets an address and a place in the list', async () => {
    const sent = await send('Hello there');
    await turn(0).getByText('Queued').waitFor();
    sent.run();
    sent.say('I am ');
    await turn(0)
      .locator('.prose', { hasText: /^I am\s*$/ })
      .waitFor();
    expect(await turn(0).locator('.answer').getAttribute('aria-busy')).toBe('true');
    sent.say('**here**');
    await turn(0).locator('.prose strong', { hasText: 'here' }).waitFor();
    sent.finish();
    await page.locator('.turn[data-outcome=ok]').waitFor();
    await expect.poll(() => textOf(turn(0).locator('.prose'))).toBe('I am here');
    expect(new URL(page.url()).hash).toBe(`#/c/${sent.chat}`);
    await page.locator('.chat-link[aria-current=page]', { hasText: 'Hello there' }).waitFor();
    expect(await page.title()).toBe('Hello there · hybrid-sessions');
    await page.getByRole('link', { name: 'New chat' }).click();
    await page.locator('#empty').waitFor();
    expect(await page.inputValue('#message')).toBe('');
  });

  test('an example of the empty page is sent as it stands', async () => {
    await page.getByRole('button', { name: 'Run: uname -a' }).click();
    expect((await api.turnOf('Run: uname -a')).kind).toBe('message');
    await page.locator('#empty').waitFor({ state: 'hidden' });
  });

  test('tool calls are lines that say running, done or failed, and open to show all of it', async () => {
    const sent = await send('Use tools');
    sent.run();
    sent.tool('1', 'Bash', 'ls -la\nsecond line', 'started');
    const line = turn(0).locator('.tool');
    await line.and(page.locator('[data-state=started]')).waitFor();
    expect(await textOf(line.locator('.tool-summary'))).toBe('ls -la');
    sent.tool('1', 'Bash', 'ls -la\nsecond line', 'done');
    sent.tool('2', 'Write', 'notes.md', 'started');
    sent.tool('2', 'Write', 'notes.md', 'failed');
    await turn(0).locator('.tool[data-state=failed]', { hasText: 'Write' }).waitFor();
    await line.first().locator('summary').click();
    expect(await textOf(line.first().locator('.tool-detail'))).toBe('ls -la\nsecond line');
    sent.finish({ text: 'Done.' });
    await turn(0).locator('.prose', { hasText: 'Done.' }).waitFor();
    expect(await line.count()).toBe(2);
  });

  test('a reload in the middle of a turn shows what was said and goes on with the same turn', async () => {
    const sent = await send('Tell a long story');
    sent.run();
    sent.say('Once upon ');
    await turn(0).getByText('Once upon').waitFor();
    const waiting = await send('And another');
    await page.reload();
    await turn(0).getByText('Once upon').waitFor();
    await turn(1).getByText('Queued').waitFor();
    sent.say('a time.');
    sent.finish();
    await turn(0).locator('.prose', { hasText: 'Once upon a time.' }).waitFor();
    waiting.run();
    waiting.say('The second.');
    await turn(1).getByText('The second.').waitFor();
    expect(await page.locator('.turn').count()).toBe(2);
  });

  test('a retry of the turn throws away what was shown so far', async () => {
    const sent = await send('Try');
    sent.run();
    sent.say('half an ans');
    await turn(0).getByText('half an ans').waitFor();
    sent.emit('status', { status: 'retrying' });
    sent.say('The whole answer.');
    sent.finish({ text: 'The whole answer.' });
    await page.locator('.turn[data-outcome=ok]').waitFor();
    await expect.poll(() => textOf(turn(0).locator('.reply'))).toBe('The whole answer.');
  });

  test(`${promise('ORDER')} a message sent while a turn runs is shown as queued, can be called off, and the first goes on`, async () => {
    const first = await send('First');
    first.run();
    await turn(0).getByText('Working').waitFor();
    const second = await send('Second');
    await turn(1).getByText('Queued').waitFor();
    await turn(1).getByRole('button', { name: 'Cancel' }).click();
    await turn(1).getByText('Will be skipped').waitFor();
    await until(() => second.stopRequested);
    expect(first.stopRequested).toBe(false);
  });

  test.each(['button', 'Escape'])('a running turn is stopped by %s and looks stopped', async (way) => {
    expect(await page.locator('#stop').isVisible()).toBe(false);
    const sent = await send('Count to 200');
    sent.run();
    sent.say('1, 2, 3');
    await turn(0).getByText('1, 2, 3').waitFor();
    if (way === 'button') await page.getByRole('button', { name: 'Stop the running turn' }).click();
    else await page.keyboard.press('Escape');
    await turn(0).getByText('Stopping').waitFor();
    await until(() => sent.stopRequested);
    sent.finish({ outcome: 'stopped' });
    await turn(0).locator('.badge-stopped').waitFor();
    await page.locator('#stop').waitFor({ state: 'hidden' });
  });

  test('an old chat is opened from the list and continued; a failed reply offers to send again', async () => {
    const old = api.add('web-old', 'Where were we?', { atMs: Date.now() - 3 * 86_400_000 });
    old.finish({ text: 'At the beginning.' });
    await page.reload();
    await page.getByRole('link', { name: /Where were we/ }).click();
    await turn(0).getByText('At the beginning.').waitFor();
    const next = await send('Go on');
    expect(next.chat).toBe('web-old');
    next.run();
    next.finish({ text: 'The model could not be reached.', outcome: 'failed' });
    await turn(1).locator('.badge-failed').waitFor();
    await turn(1).getByRole('button', { name: 'Send again' }).click();
    await turn(2).getByText('Queued').waitFor();
    expect(api.turns.filter(({ text }) => text === 'Go on')).toHaveLength(2);
  });

  test(`${promise('ONCE-IN')} a message whose answer was lost is sent again with the same key and is one turn`, async () => {
    api.dropAfterAccept = true;
    const sent = await send('Only once');
    await turn(0).getByText('Queued').waitFor();
    const posts = api.requests.filter(({ line }) => line.startsWith('POST'));
    expect(posts.length).toBeGreaterThan(1);
    expect(new Set(posts.map(({ headers }) => headers['idempotency-key']))).toEqual(new Set([sent.key]));
    expect(api.turns).toHaveLength(1);
    sent.run();
    sent.finish({ text: 'Once.' });
    await turn(0).getByText('Once.', { exact: true }).waitFor();
    expect(await page.locator('.turn').count()).toBe(1);
  });

  test(`${promise('ONCE-IN')} a message that could not be sent survives a reload and is sent once the server is back`, async () => {
    const first = await send('First');
    first.finish({ text: 'Hi.' });
    await turn(0).getByText('Hi.').waitFor();
    await page.route('**/messages', (route) => route.abort('connectionrefused'));
    await page.fill('#message', 'Not lost');
    await page.press('#message', 'Enter');
    await page.locator('#connection').waitFor();
    await page.fill('#message', 'a draft');
    await comeBackLater('**/messages');
    await page.reload();
    await turn(1).getByText('Not lost').waitFor();
    expect(await page.inputValue('#message')).toBe('a draft');
    await tryNow();
    const sent = await api.turnOf('Not lost');
    expect(sent.chat).toBe(first.chat);
    await turn(1).getByText('Queued').waitFor();
    await page.locator('#connection').waitFor({ state: 'hidden' });
  });

  test(`${promise('HEARD')} a server that answers but cannot do it is quoted, and the message is sent when it can`, async () => {
    api.trouble = { status: 503, detail: 'The disk of the database is full.' };
    await page.fill('#message', 'Kept');
    await page.press('#message', 'Enter');
    const notice = page.locator('#connection');
    await notice.getByText('The server cannot do it right now: The disk of the database is full.').waitFor();
    api.trouble = null;
    expect((await api.turnOf('Kept')).text).toBe('Kept');
    await notice.waitFor({ state: 'hidden' });
  });

  test('a lost line is a quiet notice; the stream goes on behind the last event seen, nothing twice', async () => {
    const sent = await send('Stream');
    sent.run();
    sent.say('one ');
    await turn(0).getByText('one').waitFor();
    await comeBackLater('**/events');
    api.down(true);
    await page.locator('#connection').waitFor();
    sent.say('two ');
    api.down(false);
    await tryNow();
    await turn(0).getByText('one two').waitFor();
    sent.say('three');
    sent.finish();
    await page.locator('.turn[data-outcome=ok]').waitFor();
    await expect.poll(() => textOf(turn(0).locator('.prose'))).toBe('one two three');
    const resumed = api.requests.filter(({ line }) => line.endsWith('/events')).at(-1);
    expect(resumed?.headers['last-event-id']).toBe('2');
    await page.locator('#connection').waitFor({ state: 'hidden' });
  });

  test('a refused message says why, through a reload, and its text can be had back', async () => {
    await page.fill('#message', 'please [refuse] this');
    await page.press('#message', 'Enter');
    await turn(0).getByText('Not sent. The message was not to its liking.').waitFor();
    await page.reload();
    await turn(0).getByText('Not sent. The message was not to its liking.').waitFor();
    await turn(0).getByRole('button', { name: 'Edit' }).click();
    expect(await page.inputValue('#message')).toBe('please [refuse] this');
    expect(await page.locator('.turn').count()).toBe(0);
  });

  test('a new session begins with the next message, and can be undone until then', async () => {
    const first = await send('Begin');
    first.finish({ text: 'Yes.' });
    await turn(0).getByText('Yes.').waitFor();
    await page.getByRole('button', { name: 'New session in this chat (/new)' }).click();
    await page.locator('#fresh').getByText('Begins with your next message.').waitFor();
    await page.reload();
    await page.locator('#undo-fresh').click();
    await page.locator('#fresh').waitFor({ state: 'hidden' });
    await send('Same session');
    expect(api.turns.map(({ kind }) => kind)).toEqual(['message', 'message']);
    await page.fill('#message', '/ne');
    await page.locator('#commands').click();
    await page.press('#message', 'Enter');
    await page.locator('#fresh').waitFor();
    await send('Fresh one');
    await turn(2).getByText('New session').waitFor();
    expect(api.turns.map(({ kind, text }) => [kind, text]).slice(2)).toEqual([
      ['new', ''],
      ['message', 'Fresh one'],
    ]);
    expect(new Set(api.turns.map(({ chat }) => chat))).toEqual(new Set([first.chat]));
  });

  test('the last turn can be undone and brought back, the chat forked, and a new session undone later', async () => {
    (await send('Begin')).finish({ text: 'Yes.' });
    await turn(0).getByText('Yes.').waitFor();
    (await send('More')).finish({ text: 'Also.' });
    await turn(1).getByText('Also.').waitFor();
    expect(await turn(0).getByRole('button', { name: 'Undo' }).isVisible()).toBe(false);
    await turn(1).getByRole('button', { name: 'Undo' }).click();
    (await api.turnOf('/undo')).finish({ text: 'Undone: “More”.' });
    await turn(2).getByRole('button', { name: 'Redo' }).click();
    (await api.turnOf('/redo')).finish({ text: 'Back again.' });
    await turn(3).getByText('Back again.').waitFor();
    expect(await turn(2).getByRole('button', { name: 'Redo' }).isVisible()).toBe(false);
    await page.getByRole('button', { name: 'Fork this chat (/fork)' }).click();
    (await api.turnOf('/fork')).finish({ text: 'Forked.' });
    await turn(4).getByText('Forked.').waitFor();
    await page.getByRole('button', { name: 'New session in this chat (/new)' }).click();
    const fresh = await send('Fresh one');
    api.turns.find(({ kind }) => kind === 'new')?.finish({ text: 'Started.' });
    fresh.finish({ text: 'Hello.' });
    await page.getByRole('button', { name: 'Undo the new session' }).click();
    await api.turnOf('/undo new');
    expect(api.turns.map(({ text }) => text)).toEqual([
      ...['Begin', 'More', '/undo', '/redo', '/fork', '', 'Fresh one', '/undo new'],
    ]);
  });

  test('what was told to a running turn says so, and has no answer of its own', async () => {
    const long = await send('Work');
    long.run();
    const steered = await send('/btw keep it short');
    steered.finish({ text: '', code: 'gathered' });
    await turn(1).getByText('Told to the turn that was running').waitFor();
    expect(await turn(1).locator('.answer').isVisible()).toBe(false);
    long.finish({ text: 'Short.' });
    await turn(0).getByText('Short.').waitFor();
  });

  test('text behind /new is the first message of the new session', async () => {
    (await send('Begin')).finish({ text: 'Yes.' });
    await turn(0).getByText('Yes.').waitFor();
    await page.fill('#message', '/new and then\nthis');
    await page.press('#message', 'Enter');
    await api.turnOf('and then\nthis');
    expect(api.turns.map(({ kind }) => kind)).toEqual(['message', 'new', 'message']);
  });

  test('a chat is deleted only after a second yes; a running turn is stopped first, when that is said yes to', async () => {
    const running = api.add('web-gone', 'Delete me');
    running.run();
    await page.goto(`${api.url}/#/c/web-gone`);
    await page.reload();
    await turn(0).getByText('Working').waitFor();
    const remove = page.getByRole('button', { name: 'Delete chat: Delete me' });
    await remove.click();
    await page.getByRole('button', { name: 'Keep it' }).click();
    expect(api.turns).toHaveLength(1);
    // Known to run here; what runs without this page's knowledge is told by the server's refusal.
    await remove.click();
    await page.getByText('A turn of this chat is running. It is stopped first.').waitFor();
    await page.getByRole('button', { name: 'Stop and delete' }).click();
    await expect.poll(() => running.stopRequested).toBe(true);
    running.finish({ outcome: 'stopped' });
    await page.locator('#empty').waitFor();
    expect(api.turns).toHaveLength(0);
    await page.locator('.chat-link').waitFor({ state: 'detached' });
  });

  test('a refusal to delete a chat that runs elsewhere becomes the offer to stop it', async () => {
    const elsewhere = api.add('web-elsewhere', 'Runs elsewhere');
    elsewhere.run();
    await page.reload();
    await page.getByRole('button', { name: 'Delete chat: Runs elsewhere' }).click();
    await page.getByRole('button', { name: 'Delete', exact: true }).click();
    await page.getByRole('button', { name: 'Stop and delete' }).click();
    await expect.poll(() => elsewhere.stopRequested).toBe(true);
    elsewhere.finish({ outcome: 'stopped' });
    await expect.poll(() => api.turns.length).toBe(0);
    await page.locator('dialog[open]').waitFor({ state: 'detached' });
  });

  test('a long chat loads by pages, and reading further up is not disturbed by new text', async () => {
    for (let n = 1; n <= 70; n += 1) api.add('web-long', `Question ${n}`).finish({ text: `Answer ${n}` });
    await page.goto(`${api.url}/#/c/web-long`);
    await page.getByText('Answer 70', { exact: true }).waitFor();
    expect(await page.locator('.turn').count()).toBe(30);
    await page.locator('#older').scrollIntoViewIfNeeded();
    await page.getByText('Answer 11', { exact: true }).waitFor();
    const texts = () => page.locator('.ask-text').allInnerTexts();
    await expect.poll(async () => (await texts()).length).toBeGreaterThanOrEqual(60);
    expect((await texts()).slice(-60)).toEqual(Array.from({ length: 60 }, (_, n) => `Question ${n + 11}`));
    const top = () => page.locator('#scroller').evaluate((scroller) => scroller.scrollTop);
    const sent = await send('One more');
    await page.mouse.move(700, 300);
    await page.mouse.wheel(0, -900);
    await page.locator('#jump').waitFor();
    const before = await top();
    sent.run();
    sent.say('line\n\n'.repeat(40));
    await page.locator('.turn').last().locator('.prose p').nth(39).waitFor({ state: 'attached' });
    expect(await top()).toBe(before);
    await page.locator('#jump').click();
    await expect
      .poll(() => page.locator('#scroller').evaluate((s) => s.scrollHeight - s.clientHeight - s.scrollTop))
      .toBeLessThan(2);
  });

  test('tool calls of an earlier visit stand where they were, among the text', async () => {
    const old = api.add('web-steps', 'Look');
    old.say('First I look.');
    old.tool('1', 'Read', 'a.txt', 'started');
    old.tool('1', 'Read', 'a.txt', 'done');
    old.say('Seen.');
    old.finish({ text: 'Seen.' });
    await page.goto(`${api.url}/#/c/web-steps`);
    await turn(0).locator('.tool[data-state=done]', { hasText: 'a.txt' }).waitFor();
    expect(
      await turn(0)
        .locator('.reply > *')
        .evaluateAll((all) => all.map((part) => part.className)),
    ).toEqual(['prose', 'tool', 'prose']);
    expect(await textOf(turn(0).locator('.prose').last())).toBe('Seen.');
  });

  test('an unknown chat says so and leads back', async () => {
    await page.goto(`${api.url}/#/c/nobody`);
    await page.getByRole('heading', { name: 'This chat is not here' }).waitFor();
    await page.getByRole('link', { name: 'Begin a new chat' }).click();
    await page.locator('#empty').waitFor();
  });

  test('all of it works with the keyboard alone', async () => {
    api.add('web-key', 'Old one').finish({ text: 'Old answer.' });
    await page.reload();
    await page.getByRole('link', { name: /Old one/ }).waitFor();
    await page.locator('.skip-link').focus();
    const focusAfter = async (key: string) => {
      await page.keyboard.press(key);
      const focused = page.locator(':focus');
      return (await focused.getAttribute('aria-label')) ?? (await focused.textContent())?.trim();
    };
    expect(await focusAfter('Tab')).toBe('New chat');
    expect(await focusAfter('Tab')).toContain('Old one');
    expect(await focusAfter('Tab')).toBe('Delete chat: Old one');
    expect(await focusAfter('Shift+Tab')).toContain('Old one');
    await page.keyboard.press('Enter');
    await turn(0).getByText('Old answer.').waitFor();
    await page.keyboard.type('one');
    await page.keyboard.press('Shift+Enter');
    await page.keyboard.type('two');
    await page.keyboard.press('Enter');
    expect((await api.turnOf('one\ntwo')).chat).toBe('web-key');
  });
});
