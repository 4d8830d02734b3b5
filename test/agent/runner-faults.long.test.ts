// What goes wrong in a turn, through the real CLI: each has its own honest outcome, and the session stays usable.
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { access, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { messageUuid } from '../../src/agent/continuation.ts';
import { CONTINUATION } from '../../src/agent/continuation-text.ts';
import { writeConversationNote } from '../../src/agent/conversation-note.ts';
import { transcriptPath } from '../../src/agent/transcript-file.ts';
import { promise } from '../../src/core/promises.ts';
import { until } from '../waiting.ts';
import { bash, call, createFixture, type Fixture, obey, requestOf, say } from './turn-fixture.ts';

let fixture: Fixture;
beforeEach(async () => {
  fixture = await createFixture();
});
afterEach(() => fixture.close());

const transcript = () => transcriptPath(fixture.directory.config, fixture.lease.sessionId);
const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );

describe('the model', () => {
  test('overloaded: model-unavailable after a few tries, and the next turn goes on', async () => {
    fixture.model.respondWith(() => ({ fault: 'status', status: 529 }));
    const outcome = await fixture.turn('hello');
    expect(outcome).toMatchObject({ status: 'failed', failure: { code: 'model-unavailable' } });
    expect(outcome.failure?.message).toContain('529');
    expect(fixture.model.requests.length).toBeLessThanOrEqual(3);
    expect(fixture.events).toContainEqual({ type: 'status', status: 'retrying' });
    fixture.model.respondWith(obey);
    expect((await fixture.turn('again')).status).toBe('ok');
  });

  test('nobody there: model-unavailable', async () => {
    await fixture.model.close();
    const outcome = await fixture.turn('hello');
    expect(outcome).toMatchObject({ status: 'failed', failure: { code: 'model-unavailable' } });
  });

  test('credentials refused: an agent error that names no key and no address', async () => {
    fixture.model.respondWith(() => ({ fault: 'status', status: 401, message: 'real-key is not valid' }));
    const outcome = await fixture.turn('hello');
    expect(outcome).toMatchObject({ status: 'failed', failure: { code: 'agent-error' } });
    expect(outcome.failure?.message).toMatch(/credentials/);
    expect(JSON.stringify(outcome)).not.toMatch(/real-key|127\.0\.0\.1/);
  });

  test('too many steps: an agent error', async () => {
    fixture.model.respondWith(() => ({
      blocks: [{ type: 'tool_use', name: 'Bash', input: { command: 'true', description: 'x' } }],
    }));
    const folder = { ...fixture.folder, settings: { ...fixture.folder.settings, maxTurns: 2 } };
    const outcome = await fixture.turn('loop', { runner: { folder } });
    expect(outcome.failure).toMatchObject({ code: 'agent-error', message: expect.stringContaining('limit') });
  });

  test('sees its real key only through the gateway; the agent holds a token that dies with the turn', async () => {
    const outcome = await fixture.turn(bash('cat /proc/$PPID/environ | tr "\\0" "\\n" | grep ANTHROPIC'));
    expect(outcome.text).not.toContain('real-key');
    expect(outcome.text).toContain('ANTHROPIC_API_KEY=turn-');
    expect(fixture.model.requests[0]?.headers['x-api-key']).toBe('real-key');
    const [, url] = /ANTHROPIC_BASE_URL=(\S+)/.exec(outcome.text) ?? [];
    await expect(fetch(`${url}/v1/messages`)).rejects.toThrow();
  });
});

describe('a stop', () => {
  test('in the middle of an answer keeps what was written, and the session goes on', async () => {
    fixture.model.respondWith(() => ({
      blocks: [{ type: 'text', text: 'word '.repeat(2_000) }],
      pauseMs: 20,
    }));
    const controller = new AbortController();
    const outcome = await fixture.turn('talk', {
      signal: controller.signal,
      onEvent: (event) => {
        if (event.type === 'text') controller.abort('stop');
      },
    });
    expect(outcome.status).toBe('stopped');
    expect(outcome.text).toMatch(/^word word/);
    expect(fixture.events).toContainEqual({ type: 'status', status: 'stopping' });
    fixture.model.respondWith(obey);
    expect((await fixture.turn('go on')).text).toMatch(/^seen [3-9]/);
    expect(JSON.stringify(fixture.model.requests.at(-1)?.body)).toContain('word word');
  });

  test('by the deadline, in the middle of a command', async () => {
    const controller = new AbortController();
    const outcome = await fixture.turn(bash('echo begun > begun.txt; sleep 60'), {
      signal: controller.signal,
      onEvent: async (event) => {
        if (event.type !== 'tool') return;
        await until(() => exists(join(fixture.directory.workspace, 'begun.txt')));
        controller.abort('deadline');
      },
    });
    expect(outcome.status).toBe('deadline');
    expect(fixture.events.at(-1)).toMatchObject({ type: 'tool', name: 'Bash', state: 'failed' });
    expect((await fixture.turn('go on')).status).toBe('ok');
  });

  test('for a lost lease ends at once, though the model hangs', async () => {
    fixture.model.respondWith(() => ({ fault: 'hang' }));
    const controller = new AbortController();
    const running = fixture.turn('hello', { signal: controller.signal });
    await until(() => fixture.model.requests.length > 0);
    controller.abort('lost');
    expect((await running).status).toBe('stopped');
  });

  test('before the start runs nothing', async () => {
    const outcome = await fixture.turn('hello', { signal: AbortSignal.abort('stop') });
    expect(outcome).toMatchObject({ status: 'stopped', text: '' });
    expect(fixture.model.requests).toEqual([]);
    await mkdir(join(transcript(), '..'), { recursive: true });
    await writeFile(transcript(), `${JSON.stringify({ type: 'queue-operation', operation: 'enqueue' })}\n`);
    expect((await fixture.turn('now then')).text).toMatch(/^seen/);
  });

  test('a turn that goes on does not repeat the message that the conversation holds; one that never got in is given', async () => {
    const controller = new AbortController();
    const asked = bash('sleep 60');
    await fixture.turn(asked, {
      id: 'cut',
      signal: controller.signal,
      onEvent: (event) => {
        if (event.type === 'tool') controller.abort('deadline');
      },
    });
    fixture.model.respondWith(() => say('finished'));
    expect(await fixture.turn(asked, { id: 'cut', continuing: true })).toMatchObject({ text: 'finished' });
    const messages = (await readFile(transcript(), 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
      .filter(({ type, message }) => type === 'user' && typeof message?.content === 'string');
    const own = messageUuid(requestOf(asked, 'cut').turnId);
    expect(messages.filter(({ uuid }) => uuid === own)).toHaveLength(1);
    expect(messages.filter(({ message }) => message.content === asked)).toHaveLength(1);
    expect(messages.at(-1).message.content).toContain(CONTINUATION);
    await fixture.turn('never seen', { id: 'other', continuing: true });
    const last = JSON.stringify(fixture.model.requests.at(-1)?.body);
    expect(last).toContain('never seen');
    expect(last.split(CONTINUATION)).toHaveLength(2);
  });

  test('goes on in the next part with what was done and what was asked', async () => {
    const controller = new AbortController();
    await fixture.turn(bash('sleep 60'), {
      signal: controller.signal,
      onEvent: (event) => {
        if (event.type === 'tool') controller.abort('deadline');
      },
    });
    fixture.model.respondWith(() => say('finished'));
    const outcome = await fixture.turn('the message', { continuing: true });
    expect(outcome).toMatchObject({ status: 'ok', text: 'finished' });
    const sent = JSON.stringify(fixture.model.requests.at(-1)?.body);
    expect(sent).toContain('sleep 60');
    expect(sent).toContain('the message');
  });
});

describe('the CLI', () => {
  test('killed: worth another attempt, the transcript stays whole', async () => {
    await fixture.turn('first');
    const killed = await fixture.turn(bash('kill -9 $CLAUDE_PID; sleep 5'));
    expect(killed).toMatchObject({ status: 'failed', failure: { code: 'agent-crashed' } });
    expect(killed.failure?.message).toContain('SIGKILL');
    for (const line of (await readFile(transcript(), 'utf8')).trimEnd().split('\n')) JSON.parse(line);
    expect((await fixture.turn('again')).text).toMatch(/^seen/);
  });

  test('leaves no process behind', async () => {
    const seconds = `9${Math.floor(Math.random() * 1e6)}`;
    await fixture.turn(
      bash(`(setsid sleep ${seconds} > /dev/null 2>&1 &); nohup sleep ${seconds} & echo ok`),
    );
    const all = execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' });
    expect(all).toContain('ps -eo args');
    expect(all).not.toContain(`sleep ${seconds}`);
  });
});

describe(`${promise('NO-AMNESIA')} a resumed turn`, () => {
  test('without its transcript is resume-lost, and no model is asked', async () => {
    const outcome = await fixture.turn('hello', { resume: true });
    expect(outcome).toMatchObject({ status: 'failed', failure: { code: 'resume-lost' } });
    expect(fixture.model.requests).toEqual([]);
  });

  test('with a transcript shorter than it was is resume-lost', async () => {
    await fixture.turn('first');
    const kept = await readFile(transcript(), 'utf8');
    await fixture.turn('second');
    await writeFile(transcript(), kept);
    const outcome = await fixture.turn('third');
    expect(outcome).toMatchObject({ status: 'failed', failure: { code: 'resume-lost' } });
  });

  test('with a transcript the CLI cannot go on from is resume-lost', async () => {
    await mkdir(join(transcript(), '..'), { recursive: true });
    const entry = {
      type: 'user',
      uuid: randomUUID(),
      parentUuid: null,
      sessionId: 'another',
      isSidechain: true,
    };
    const orphan = { ...entry, isSidechain: false, type: 'attachment' };
    await writeFile(transcript(), `${JSON.stringify(entry)}\n${JSON.stringify(orphan)}\n`);
    await writeConversationNote(fixture.directory.config, { begun: true, bytes: 0 });
    const outcome = await fixture.turn('hello', { resume: true });
    expect(outcome).toMatchObject({ status: 'failed', failure: { code: 'resume-lost' } });
  });
});

describe('what a session plants', () => {
  test('settings, hooks, skills, servers and CLAUDE.md do not load in the next turn', async () => {
    const { config, workspace } = fixture.directory;
    const proof = join(fixture.base, 'planted');
    const hooks = {
      SessionStart: [{ hooks: [{ type: 'command', command: `touch ${proof}` }] }],
      UserPromptSubmit: [{ hooks: [{ type: 'command', command: `touch ${proof}` }] }],
    };
    const server = { mcpServers: { evil: { command: 'touch', args: [proof] } } };
    const skill = '---\nname: evil-skill\ndescription: evil-skill-planted\n---\nEvil.\n';
    await fixture.turn('first');
    for (const [root, claude] of [
      [config, config],
      [workspace, join(workspace, '.claude')],
    ] as const) {
      await mkdir(join(claude, 'skills/evil-skill'), { recursive: true });
      await mkdir(join(claude, 'agents'), { recursive: true });
      await writeFile(join(claude, 'skills/evil-skill/SKILL.md'), skill);
      await writeFile(
        join(claude, 'agents/evil.md'),
        '---\nname: evil\ndescription: evil-agent-planted\n---\nx',
      );
      await writeFile(join(claude, 'settings.json'), JSON.stringify({ hooks }));
      await writeFile(join(root, 'CLAUDE.md'), 'evil-memory-planted');
      await writeFile(join(root, '.mcp.json'), JSON.stringify(server));
    }
    await writeFile(join(config, '.claude.json'), JSON.stringify(server));
    await fixture.turn('second');
    const third = await fixture.turn(call({ name: 'Skill', input: { skill: 'evil-skill' } }));
    expect(await exists(proof)).toBe(false);
    expect(third.text).toMatch(/unknown skill/i);
    const sent = JSON.stringify(fixture.model.requests.map((request) => request.body));
    expect(sent).toContain('agent:word-count');
    expect(sent).not.toMatch(/evil-(skill|agent|memory)-planted/);
    expect(await exists(join(config, 'settings.json'))).toBe(false);
  });

  test('a changed system prompt holds in the next turn of an old session', async () => {
    await fixture.turn('first');
    const folder = { ...fixture.folder, systemPrompt: 'You are the changed one.' };
    await fixture.turn('second', { runner: { folder } });
    expect(JSON.stringify(fixture.model.requests.at(-1)?.body)).toContain('You are the changed one.');
  });
});

describe('the policy', () => {
  test('refuses tools that are not allowed and files outside, in words the model gets', async () => {
    const outside = join(fixture.base, 'secret.txt');
    await writeFile(outside, 'top secret');
    const { workspace } = fixture.directory;
    await fixture.turn(bash(`ln -s ${fixture.base} way-out`));
    const outcome = await fixture.turn(
      call(
        { name: 'Read', input: { file_path: outside } },
        { name: 'Read', input: { file_path: join(workspace, 'way-out/secret.txt') } },
        { name: 'Write', input: { file_path: join(workspace, 'way-out/new.txt'), content: 'x' } },
        { name: 'WebFetch', input: { url: 'http://127.0.0.1:9/', prompt: 'x' } },
      ),
    );
    expect(outcome.text).not.toContain('top secret');
    expect(outcome.text.match(/outside the working directory/g)).toHaveLength(3);
    expect(await exists(join(fixture.base, 'new.txt'))).toBe(false);
    expect(fixture.events.filter((event) => event.type === 'tool' && event.state === 'failed')).toHaveLength(
      4,
    );
  });

  test('asks for a sandbox where the folder requires one', async () => {
    const folder = {
      ...fixture.folder,
      settings: { ...fixture.folder.settings, sandbox: 'require' as const },
    };
    await expect(fixture.turn('hello', { runner: { folder } })).rejects.toMatchObject({ code: 'no-sandbox' });
  });
});

test('text is text: no order to the CLI, no file pulled in', async () => {
  await writeFile(join(fixture.directory.workspace, 'mentioned.txt'), 'content-of-the-mentioned-file');
  fixture.model.respondWith(() => say('fine'));
  await fixture.turn('first');
  expect((await fixture.turn('/clear')).text).toBe('fine');
  expect((await fixture.turn('look at @mentioned.txt')).text).toBe('fine');
  const last = JSON.stringify(fixture.model.requests.at(-1)?.body);
  expect(last).toContain('/clear');
  expect(last).toContain('first');
  expect(last).not.toContain('content-of-the-mentioned-file');
  await rm(transcript());
});
