// Undo, redo, fork and the way back from a new session, over the real turn and the real state: what the agent then finds
// in its files, exactly once, in order, whatever dies.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { conversationOf } from '../../src/core/ids.ts';
import type { Channel, Workplace } from '../../src/core/ports.ts';
import { promise } from '../../src/core/promises.ts';
import type { Lease } from '../../src/core/records.ts';
import { createSessionState } from '../../src/state/session-state.ts';
import { createMemoryObjectStore } from '../../src/stores/memory/index.ts';
import { createFixture } from './fixture.ts';

const made: string[] = [];
afterEach(() => {
  for (const path of made.splice(0)) rmSync(path, { recursive: true, force: true });
});

/** A worker whose agent writes down what it is told, and answers with all that it has been told so far. */
function ready() {
  const fixture = createFixture();
  const root = mkdtempSync(join(tmpdir(), 'timeline-'));
  made.push(root);
  const objects = createMemoryObjectStore();
  const limits = { maxWorkspaceBytes: 1e8, maxWorkspaceFiles: 1_000 };
  const state = createSessionState({ objects, limits, heads: fixture.deps.store });
  const place = ({ sessionId, fence }: Lease) => join(root, `${sessionId}-${fence}`);
  const workplace: Workplace = {
    async open(lease) {
      const at = place(lease);
      const directory = { root: at, config: join(at, 'config'), workspace: join(at, 'workspace') };
      for (const path of [directory.config, directory.workspace]) mkdirSync(path, { recursive: true });
      return directory;
    },
    close: async (lease) => rmSync(place(lease), { recursive: true, force: true }),
  };
  const channel: Channel = {
    ...(fixture.deps.channels.get('http') as Channel),
    openConversation: async ({ request }, name) => ({ ...request.conversation, chat: name || 'forked' }),
  };
  fixture.agent = async ({ directory, request, resume }) => {
    const file = join(directory.workspace, 'told');
    const before = resume ? readFileSync(file, 'utf8') : '';
    writeFileSync(file, `${before}${request.text};`);
    return { status: 'ok', text: readFileSync(file, 'utf8'), demo: false };
  };
  const parts = { state, workplace, channels: new Map([['http', channel]]) };
  const step = (overrides: Parameters<typeof fixture.step>[0] = {}, deadline?: AbortSignal) =>
    fixture.step({ ...parts, ...overrides }, deadline);
  const told = async (text: string, kind?: Parameters<typeof fixture.say>[1]) => {
    await fixture.say(text, kind);
    expect(await step()).toBe('done');
    return fixture.sent.at(-1)?.reply;
  };
  const undo = (text = '', chat = 'c') => told(text, { kind: 'undo', chat });
  const redo = (chat = 'c') => told('', { kind: 'redo', chat });
  return { fixture, parts, step, told, undo, redo, objects };
}

describe('undo', () => {
  test('takes the last turn away, says so, and the agent goes on from before it; redo brings it back', async () => {
    const { told, undo, redo } = ready();
    await told('one');
    await told('two');
    expect((await told('three'))?.text).toBe('one;two;three;');
    const undone = await undo('2');
    expect(undone).toMatchObject({ outcome: 'ok' });
    expect(undone?.text).toContain(
      'Undone: “three”, “two”. The conversation and the files are as they were after “one”.',
    );
    expect((await redo())?.text).toContain('Back again: “three”, “two”.');
    expect((await undo())?.text).toContain('Undone: “three”');
    expect((await told('four'))?.text).toBe('one;two;four;');
    expect(await redo()).toMatchObject({ outcome: 'failed', code: 'nothing-to-redo' });
  });

  test('of the first turn leaves an agent that knows nothing', async () => {
    const { told, undo, redo, fixture } = ready();
    await told('one');
    expect((await undo())?.text).toContain('as they were before that');
    expect(await undo()).toMatchObject({ outcome: 'failed', code: 'nothing-to-undo' });
    await redo();
    await undo();
    expect((await told('again'))?.text).toBe('again;');
    expect(fixture.runs.at(-1)?.resume).toBe(false);
    expect((await told('more'))?.text).toBe('again;more;');
  });

  test('of more turns than there are changes nothing and says how many there are', async () => {
    const { told, undo } = ready();
    await told('one');
    await told('two');
    const refused = await undo('3');
    expect(refused).toMatchObject({ outcome: 'failed', code: 'nothing-to-undo' });
    expect(refused?.text).toContain('the last 2 turns, not more');
    expect((await told('three'))?.text).toBe('one;two;three;');
  });

  test('passes over a turn that left no trace', async () => {
    const { told, undo, fixture, step } = ready();
    await told('one');
    const answer = fixture.agent;
    fixture.agent = async () => {
      const failure = { code: 'resume-lost', message: 'gone' } as const;
      return { status: 'failed', text: '', demo: false, failure };
    };
    await fixture.say('two');
    expect(await step()).toBe('dead');
    fixture.agent = answer;
    expect((await undo())?.text).toContain('Undone: “one”');
    expect((await told('three'))?.text).toBe('three;');
  });

  test(`${promise('ORDER', 'ONCE-IN')} stands in the queue between what was said before and after it, and counts once`, async () => {
    const { fixture, step } = ready();
    await fixture.say('one');
    const undo = await fixture.say('', { kind: 'undo', id: 'u' });
    await fixture.say('two');
    await fixture.deps.queue.send({ ...undo, part: 1 });
    for (let i = 0; i < 4; i++) await step();
    await fixture.say('', { kind: 'undo', id: 'u' });
    await step();
    const texts = fixture.sent.map(({ reply }) => reply.text);
    expect(texts).toEqual(['one;', expect.stringContaining('Undone: “one”'), 'two;']);
    expect(fixture.runs.map((run) => run.request.text)).toEqual(['one', 'two']);
  });

  test(`${promise('ATOMIC', 'ONCE-OUT')} whatever dies around its commit, it is done once`, async () => {
    for (const point of ['after-lease', 'after-commit', 'after-send'] as const) {
      const { fixture, step, told } = ready();
      await told('one');
      await told('two');
      await told('three');
      await fixture.say('', { kind: 'undo' });
      const at = (now: string) => {
        if (now === point) throw new Error(`died ${point}`);
      };
      await step({ at });
      for (let i = 0; i < 4; i++) {
        await fixture.clock.advance(60_000);
        await step();
      }
      expect((await told('four'))?.text, point).toBe('one;two;four;');
    }
  });

  test('of a turn that was cut off takes back what it did, and its rest does not run', async () => {
    const { fixture, step, told } = ready();
    await told('one');
    const answer = fixture.agent;
    fixture.agent = async (run) => {
      await answer(run);
      return { status: 'deadline', text: '', demo: false };
    };
    await fixture.say('long');
    await fixture.say('', { kind: 'undo' });
    expect(await step()).toBe('continue');
    fixture.agent = answer;
    await step();
    expect(fixture.sent.at(-1)?.reply.text).toContain('Undone: “long”');
    await step();
    expect(fixture.sent.at(-1)?.reply).toMatchObject({ outcome: 'stopped' });
    expect((await told('two'))?.text).toBe('one;two;');
  });

  test('may be written as a message', async () => {
    const { readCommand } = await import('../../src/core/commands.ts');
    expect(readCommand('/undo 2')).toMatchObject({ command: { kind: 'undo' }, rest: '2' });
    expect(readCommand(' /UNDO@some_bot\n')).toMatchObject({ command: { kind: 'undo' }, rest: '' });
    for (const text of ['/undo the last commit', 'undo', '/undone', '/redo it', '/compact']) {
      expect(readCommand(text), text).toBeNull();
    }
  });
});

describe('a new session', () => {
  test('leaves a turn behind that was cut off: its rest does not run in the new one', async () => {
    const { fixture, step, told } = ready();
    const answer = fixture.agent;
    fixture.agent = async (run) => {
      await answer(run);
      return { status: 'deadline', text: '', demo: false };
    };
    await fixture.say('long');
    await fixture.say('', { kind: 'new' });
    expect(await step()).toBe('continue');
    fixture.agent = answer;
    await step();
    await step();
    expect(fixture.sent.at(-1)?.reply).toMatchObject({ outcome: 'stopped' });
    expect((await told('two'))?.text).toBe('two;');
  });

  test('can be undone at any later time, and that redone', async () => {
    const { told, undo, redo } = ready();
    await told('one');
    await told('', { kind: 'new' });
    expect((await told('two'))?.text).toBe('two;');
    const back = await undo('new');
    expect(back?.text).toContain(
      'The new session is undone. The conversation and the files are as they were after “one”.',
    );
    expect((await redo())?.text).toContain('This is the later session again.');
    expect((await told('three'))?.text).toBe('two;three;');
    await undo('new');
    expect((await told('four'))?.text).toBe('one;four;');
    expect(await undo('new')).toMatchObject({ outcome: 'failed', code: 'nothing-to-undo' });
  });

  test('is undone step by step, too, and redone in the same steps', async () => {
    const { told, undo, redo } = ready();
    await told('one');
    await told('', { kind: 'new' });
    await told('', { kind: 'new' });
    await told('two');
    await undo();
    await undo();
    expect((await undo())?.text).toContain('after “one”');
    await undo();
    for (let i = 0; i < 4; i++) expect(await redo(), `redo ${i}`).toMatchObject({ outcome: 'ok' });
    expect(await redo()).toMatchObject({ outcome: 'failed' });
    expect((await told('three'))?.text).toBe('two;three;');
  });

  test('is not undone once the earlier session is gone', async () => {
    const { fixture, told, undo } = ready();
    const retentionSec = fixture.deps.retentionSec;
    await told('one');
    await told('', { kind: 'new' });
    for (let days = 0; days < 2; days++) {
      await fixture.clock.advance(retentionSec * 600);
      await told(`day ${days}`);
    }
    expect(await undo('new')).toMatchObject({ outcome: 'failed', code: 'nothing-to-undo' });
    expect((await told('more'))?.text).toBe('day 0;day 1;more;');
  });
});

describe('a fork', () => {
  test('begins with what there was, and then each goes its own way', async () => {
    const { told, undo, fixture } = ready();
    await told('one');
    await told('two');
    const reply = await told('other', { kind: 'fork' });
    expect(reply).toMatchObject({ outcome: 'ok', text: expect.stringContaining('Forked to “other”') });
    expect((await told('here'))?.text).toBe('one;two;here;');
    expect((await told('there', { chat: 'other' }))?.text).toBe('one;two;there;');
    const [here, there] = fixture.runs.slice(-2);
    expect(there?.sessionId).not.toBe(here?.sessionId);
    expect(there?.agentSessionId).toBe(here?.sessionId);
    expect(here?.agentSessionId).toBeUndefined();
    await undo('2', 'other');
    expect((await told('three', { chat: 'other' }))?.text).toBe('one;three;');
  });

  test('takes no conversation over, and there is none of nothing', async () => {
    const { told } = ready();
    expect(await told('new', { kind: 'fork' })).toMatchObject({ outcome: 'failed', code: 'nothing-to-fork' });
    await told('one');
    await told('other one', { chat: 'other' });
    expect(await told('other', { kind: 'fork' })).toMatchObject({ outcome: 'failed', code: 'chat-exists' });
    expect((await told('more', { chat: 'other' }))?.text).toBe('other one;more;');
  });

  test(`${promise('ONCE-IN', 'ATOMIC')} whatever dies while it is made, there is one, and it is whole`, async () => {
    for (const point of ['after-lease', 'after-commit', 'after-send'] as const) {
      const { fixture, step, told, parts } = ready();
      await told('one');
      await fixture.say('other', { kind: 'fork' });
      await step({
        at: (now) => {
          if (now === point) throw new Error(`died ${point}`);
        },
      });
      for (let i = 0; i < 4; i++) {
        await fixture.clock.advance(60_000);
        await step();
      }
      expect((await told('there', { chat: 'other' }))?.text, point).toBe('one;there;');
      const heads = await fixture.deps.store.listHeads('default' as never);
      expect(heads.items.map((head) => conversationOf(head.sessionKey).chat).sort()).toEqual(['c', 'other']);
      expect(parts.state.undoable(heads.items[0]!).length).toBeGreaterThan(0);
    }
  });
});
