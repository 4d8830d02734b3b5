// The scripted person under the local wiring: long polling, SQLite. docs/telegram-transcript.md is what the chats look like
// (`npx vitest run test/telegram/scripted-person.test.ts -u` writes it anew).
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createSqliteTurnQueue } from '../../src/queues/sqlite/turn-queue.ts';
import { createSqliteSessionStore } from '../../src/stores/sqlite/index.ts';
import { temporaryFolder } from '../stores/temporary-folder.ts';
import { linesOf, personOf } from './scripted-person/person.ts';
import { SCENARIOS } from './scripted-person/scenarios.ts';
import { createShiftedClock, startWorld, type World } from './scripted-person/world.ts';

const folder = temporaryFolder();
const played = new Map<number, readonly string[]>();
let world: World;

beforeAll(async () => {
  const clock = createShiftedClock();
  const database = join(folder.path, 'hybrid-sessions.db');
  const store = createSqliteSessionStore({ database, clock });
  const queue = createSqliteTurnQueue({ database, clock });
  world = await startWorld({ inlet: 'polling', store, queue, clock }, SCENARIOS.length);
});
afterAll(async () => {
  await world.close();
  folder.remove();
});

test.each(SCENARIOS.map((scenario, at) => [scenario.title, scenario, at] as const))(
  '%s',
  async (_, scenario, at) => {
    const person = personOf(world, at);
    world.bot.faults.clear();
    await scenario.play(person);
    const lines = linesOf(person, scenario.place);
    played.set(at, lines);
    expect(lines).toEqual(scenario.ends);
  },
);

test('the transcript in docs is what happened', async () => {
  expect(SCENARIOS.length).toBeGreaterThanOrEqual(50);
  await expect(transcript()).toMatchFileSnapshot('../../docs/telegram-transcript.md');
});

function transcript(): string {
  const chats = SCENARIOS.map(({ title }, at) => {
    const lines = (played.get(at) ?? []).map((line) => `    ${line}`);
    return `## ${title}\n\n${lines.join('\n')}\n`;
  });
  return `# What chats with a Telegram bot look like

Written by \`test/telegram/scripted-person.test.ts\`: a scripted person against the fake Bot API, the real inlet, core and
channel, and an agent that is a script. Each chat as it is to be seen in the end. \`⏎\` is a line break, \`[…]\` a button.

${chats.join('\n')}`;
}
