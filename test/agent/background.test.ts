// What a turn leaves running, through the real CLI: it is waited for, then named with its last words, ended, and told to the
// agent with its next message; or, when the agent asks for it, waited for until it is done, within the same turn.
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { loadAgentFolder } from '../../src/agent/agent-folder.ts';
import { lastPromptIndex } from '../../src/agent/model-messages.ts';
import { KEEP_RUNNING } from '../../src/agent/own-tools.ts';
import { until } from '../waiting.ts';
import { bash, call, createFixture, EXAMPLE, type Fixture, obey, say } from './turn-fixture.ts';

let fixture: Fixture;
afterEach(() => fixture.close());

async function open(background: { waitSec: number; longestMinutes: number }): Promise<void> {
  const folder = await loadAgentFolder(EXAMPLE);
  fixture = await createFixture({ folder: { ...folder, settings: { ...folder.settings, background } } });
}

const asked = () => JSON.stringify(fixture.model.requests.at(-1)?.body);
const TOLD = /were ended when you were last at work here[\s\S]*/;
const background = (command: string, minutes?: number): string =>
  call(
    { name: 'Bash', input: { command, description: 'test' } },
    ...(minutes === undefined ? [] : [{ name: KEEP_RUNNING, input: { minutes } }]),
  );
const isAlive = async (word: string): Promise<boolean> => {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(
    pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '')),
  );
  return lines.some((line) => line.startsWith('sleep') && line.includes(word));
};
const file = (name: string) => join(fixture.directory.workspace, name);

test('what ends by itself in time is no word worth', async () => {
  await open({ waitSec: 3_600, longestMinutes: 1 });
  const outcome = await fixture.turn(
    background('(sleep 0.3; echo late > late.txt) > log 2>&1 & echo started'),
  );
  expect(outcome).toMatchObject({ status: 'ok', text: 'started' });
  expect(outcome.ended).toBeUndefined();
  expect(await readFile(file('late.txt'), 'utf8')).toBe('late\n');
});

test('what still runs is named with its last lines, ended, and told to the agent next time, once', async () => {
  await open({ waitSec: 0.2, longestMinutes: 1 });
  const command =
    'printf "one\\ntwo\\n" > log; nohup sh -c "echo ready; sleep 5017" >> log 2>&1 & echo started';
  const outcome = await fixture.turn(background(command));
  expect(outcome).toMatchObject({ status: 'ok', text: 'started' });
  expect(outcome.ended).toEqual([{ name: 'sh -c echo ready; sleep 5017', lastLines: 'one\ntwo\nready' }]);
  expect(await isAlive('5017')).toBe(false);
  expect(fixture.events).toContainEqual(
    expect.objectContaining({ type: 'tool', name: 'Background', state: 'started' }),
  );
  await fixture.turn('go on');
  expect(TOLD.exec(asked())?.[0]).toContain('sleep 5017');
  fixture.model.respondWith((request) => {
    const last = request.messages.slice(lastPromptIndex(request.messages));
    return say(JSON.stringify(last).includes('5017') ? 'told again' : 'not told again');
  });
  expect((await fixture.turn('and on')).text).toBe('not told again');
});

test('several programs, a loop of the shell itself, one in a session of its own: each is named', async () => {
  await open({ waitSec: 0, longestMinutes: 0 });
  const outcome = await fixture.turn(
    bash('sleep 5018 & (while :; do sleep 5019; done) & setsid sleep 5020 > out.txt 2>&1 & echo started'),
  );
  expect(outcome.ended?.map(({ name }) => name).sort()).toEqual(['sleep 5018', 'sleep 5019', 'sleep 5020']);
  for (const word of ['5018', '5019', '5020']) expect(await isAlive(word)).toBe(false);
  expect(JSON.stringify(fixture.model.requests[0]?.body)).not.toContain(KEEP_RUNNING);
});

test('asked to keep it: the turn goes on with what became of it', async () => {
  await open({ waitSec: 0, longestMinutes: 60 });
  fixture.model.respondWith((request) => {
    const prompt = request.messages[lastPromptIndex(request.messages)]?.text ?? '';
    return prompt.includes('left running') ? say('The build is done.') : obey(request);
  });
  const ending = fixture.turn(
    background('(until [ -e go ]; do sleep 0.05; done; echo built) > log 2>&1 &', 30),
  );
  await until(() => fixture.events.some((event) => event.type === 'tool' && event.name === 'Background'));
  await writeFile(file('go'), '');
  const outcome = await ending;
  expect(outcome.status).toBe('ok');
  expect(outcome.text).toContain('The build is done.');
  expect(outcome.ended).toBeUndefined();
  expect(asked()).toMatch(/has ended. It wrote last:[^"]*built/);
});

test('asked to keep what ends before the answer, or takes longer than allowed: told all the same', async () => {
  await open({ waitSec: 0, longestMinutes: 0.01 });
  const told: string[] = [];
  fixture.model.respondWith((request) => {
    const prompt = request.messages[lastPromptIndex(request.messages)]?.text ?? '';
    if (!prompt.includes('left running')) return obey(request);
    told.push(prompt);
    return say('So it is.');
  });
  const keep = { name: KEEP_RUNNING, input: { minutes: 0.01 } };
  const start = (command: string) => ({ name: 'Bash', input: { command, description: 'test' } });
  const isOver = start('until ! pgrep -fx "tail -f over"; do sleep 0.05; done');
  const short = call(
    start('touch over; tail -f over > log 2>&1 &'),
    keep,
    start('pkill -fx "tail -f over"'),
    isOver,
  );
  expect((await fixture.turn(short)).ended).toBeUndefined();
  const long = await fixture.turn(call(start('sleep 5021 > log 2>&1 &'), keep));
  expect(long.ended).toEqual([{ name: 'sleep 5021', lastLines: '' }]);
  expect(told).toEqual([
    expect.stringContaining('tail -f over: has ended'),
    expect.stringContaining('sleep 5021: still runs'),
  ]);
  expect(await isAlive('5021')).toBe(false);
});

test('stopped while it waits: stopped, and the agent knows next time; at a deadline the turn is to be continued', async () => {
  await open({ waitSec: 0, longestMinutes: 60 });
  for (const [reason, status, seconds] of [
    ['stop', 'stopped', '5022'],
    ['deadline', 'deadline', '5023'],
  ] as const) {
    const stop = new AbortController();
    const outcome = await fixture.turn(background(`sleep ${seconds} > log 2>&1 &`, 30), {
      signal: stop.signal,
      onEvent: (event) => {
        if (event.type === 'tool' && event.name === 'Background') stop.abort(reason);
      },
    });
    expect(outcome).toMatchObject({ status, ended: [{ name: `sleep ${seconds}` }] });
    expect(await isAlive(seconds)).toBe(false);
    await fixture.turn('what now?');
    expect(TOLD.exec(asked())?.[0]).toContain(`sleep ${seconds}`);
  }
});
