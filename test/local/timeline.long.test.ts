// Undo, redo, fork and the way back from a new session with the real CLI: what was undone is in no request to the model and
// in no file, whichever process runs the next turn; what came back is in both.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { promise } from '../../src/core/promises.ts';
import { startLocalSystem, type TestSystem } from '../../testing/local-system.ts';

let system: TestSystem;
beforeAll(async () => {
  system = await startLocalSystem({ workers: 2 });
});
afterAll(() => system.close());

async function post(path: string, body: object = {}) {
  const headers = { 'content-type': 'application/json' };
  const response = await system.call(path, { method: 'POST', headers, body: JSON.stringify(body) });
  expect(response.status).toBe(200);
  return (await response.json()) as { reply: { text: string; outcome: string }; session_id: string };
}

const recalled = async (chat: string) => (await system.say(chat, 'what do you remember?')).reply.text;
const listed = async (chat: string) => (await system.say(chat, 'run: ls; echo "colour=$COLOUR"')).reply.text;

test(`${promise('WHOLE', 'NO-AMNESIA')} after an undo the agent knows nothing of the turn, and after a redo all of it`, async () => {
  await system.say('c', 'remember the colour is teal');
  await system.say('c', 'run: echo first > kept.txt; export COLOUR=teal');
  await system.say('c', 'remember the animal is an otter');
  await system.say('c', 'run: echo second > undone.txt; echo changed > kept.txt; export COLOUR=red');
  expect((await post('/v1/chats/c/undo', { turns: 2 })).reply.text).toContain('Undone: “run: echo second');
  const view = (await (await system.call('/v1/chats/c')).json()) as {
    redoable: object[];
    undoable: object[];
  };
  expect([view.undoable.length, view.redoable.length]).toEqual([2, 2]);
  expect((await post('/v1/chats/c/redo')).reply.outcome).toBe('ok');
  expect(await listed('c')).toMatch(/kept.txt\s+undone.txt\s+colour=red/);
  expect(await recalled('c')).toContain('otter');
  // Those two, and the two before.
  await post('/v1/chats/c/undo', { turns: 4 });
  const files = await listed('c');
  expect(files).toContain('kept.txt');
  expect(files).toContain('colour=teal');
  expect(files).not.toContain('undone.txt');
  const now = await recalled('c');
  expect(now).toContain('teal');
  expect(now).not.toContain('otter');
  expect((await system.say('c', 'run: cat kept.txt')).reply.text).toContain('first');
});

test('a session whose first turn was undone begins anew', async () => {
  await system.say('first', 'remember the colour is blue');
  await system.say('first', '/undo');
  expect(await recalled('first')).not.toContain('blue');
});

test('a fork goes on with the conversation, the files and the shell, and is erased by itself', async () => {
  await system.say('f', 'remember the colour is green');
  await system.say('f', 'run: mkdir -p deep && echo forked > deep/a.txt && cd deep && export COLOUR=green');
  await post('/v1/chats/f/fork', { to: 'f2' });
  await system.say('f', 'run: rm a.txt');
  expect((await system.say('f2', 'run: cat a.txt; echo "$COLOUR"')).reply.text).toContain('forked\ngreen');
  expect(await recalled('f2')).toContain('green');
  expect((await system.call('/v1/chats/f', { method: 'DELETE' })).status).toBe(204);
  for (const pid of system.workerPids()) process.kill(pid, 'SIGKILL');
  expect((await system.say('f2', 'run: cat a.txt')).reply.text).toContain('forked');
  expect(await recalled('f2')).toContain('green');
  expect((await system.call('/v1/chats/f2', { method: 'DELETE' })).status).toBe(204);
});

test('a new session can be undone however much was said in it', async () => {
  await system.say('n', 'remember the colour is pink');
  await system.say('n', '/new remember the colour is grey');
  expect(await recalled('n')).toContain('grey');
  expect((await post('/v1/chats/n/undo', { new_session: true })).reply.text).toContain(
    'The new session is undone',
  );
  const now = await recalled('n');
  expect(now).toContain('pink');
  expect(now).not.toContain('grey');
});
