// An agent that stays, frozen with its function, serves its session's next invocation only where that is the same as starting
// from nothing: under a stand-in for Lambda's tenant isolation, with the real function and the real CLI. Each way to be wrong
// ends it before anything else begins, and the turn starts anew from the head.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  onTestFailed,
  onTestFinished,
  test,
} from 'vitest';
import { promise } from '../../src/core/promises.ts';
import type { HotLimits } from '../../src/host/hot-hosts.ts';
import { tenantIdOf } from '../../src/host/lambda/lambda-hosts.ts';
import type { ResidentHost } from '../../src/host/lambda/resident-host.ts';
import { type StayedHost, stampOf, whyNot } from '../../src/host/lambda/stayed-host.ts';
import { processesBelow } from '../../testing/lambda/process-tree.ts';
import { createScriptedModel, type ScriptedModel } from '../../testing/model/scripted-model.ts';
import { bash, EXAMPLE, leaseOf, obey } from '../agent/turn-fixture.ts';
import { createHotSession, HOT, type HotSession } from '../host/hot-fixture.ts';
import { type LambdaHostsFixture, startLambdaHosts } from './lambda-hosts-fixture.ts';

const remember = 'echo first > said; export WORD=kept';
const recall = bash('cat said; echo $WORD');

let model: ScriptedModel;
let place: LambdaHostsFixture;
beforeAll(async () => {
  model = await createScriptedModel(obey);
});
afterAll(async () => {
  await model.close();
});

async function open(hot?: HotLimits): Promise<void> {
  place = await startLambdaHosts({ modelUrl: model.url, maxEnvironments: 40, ...(hot && { hot }) });
}

/** A session whose function has answered, and stands still, when a turn is over. */
function session() {
  const mine = createHotSession(place.hosts);
  async function turn(text: string) {
    const outcome = await mine.turn(text);
    await standsStill();
    return outcome;
  }
  async function standsStill(): Promise<void> {
    await place.hosts.settled();
    await expect.poll(() => environmentsOf(mine).filter(({ busy }) => busy)).toEqual([]);
  }
  return { ...mine, turn, turnBeside: mine.turn, standsStill };
}

const environmentsOf = ({ head }: Pick<HotSession, 'head'>) =>
  place.environments.all.filter(({ tenantId }) => tenantId === tenantIdOf(head()));

/** The CLIs that live in the session's environments. */
function clis(of: Pick<HotSession, 'head'>): number[] {
  return environmentsOf(of)
    .flatMap(({ environment }) => processesBelow(environment.pid ?? -1))
    .map(({ pid }) => pid)
    .filter((pid) => read(`/proc/${pid}/cmdline`).includes('claude-agent-sdk'));
}

describe('an agent that stays in its function', () => {
  beforeAll(() => open(HOT));
  afterAll(() => place.close());
  let before = 0;
  beforeEach(() => {
    before = place.told.length;
    onTestFailed(() => console.error(place.output().slice(-6_000)));
  });
  /** Of this test's turns. */
  const told = () => place.told.slice(before);

  test(`${promise('WHOLE')} serves the next turns, which find everything`, async () => {
    const it = session();
    await it.turn(bash(remember));
    const [cli] = clis(it);
    expect((await it.turn(recall)).text).toBe('first\nkept');
    expect((await it.turn('what was said?')).text).toMatch(/seen \d+/);
    expect(clis(it)).toEqual([cli]);
    expect(told()).toEqual(['cold first', 'hot', 'hot']);
  });

  test(`${promise('FORGET', 'NO-SECRETS')} nothing of a turn runs or lies about, and its token is not there`, async () => {
    const it = session();
    const plant = [
      'echo planted > $HOME/.bashrc; echo planted > $TMPDIR/x; echo planted > $TMPDIR/../x',
      'echo planted > $TMPDIR/../packs/x; mkdir -p $TMPDIR/../spool; echo planted > $TMPDIR/../spool/x',
      '(setsid env -i sleep 300 >/dev/null 2>&1 &); (sleep 301 >/dev/null 2>&1 &) ; true',
    ];
    await it.turn(bash(plant.join('; ')));
    const environ = clis(it).map((pid) => read(`/proc/${pid}/environ`));
    expect(environ).toHaveLength(1);
    expect(environ.join()).not.toContain('token-of-the-turn');
    if (place.hasWalls) {
      const running = environmentsOf(it).flatMap(({ environment }) => processesBelow(environment.pid ?? -1));
      expect(running.map(({ pid }) => read(`/proc/${pid}/cmdline`)).join()).not.toMatch(/sleep.30/);
    }
    const look =
      'cat $HOME/.bashrc $TMPDIR/x $TMPDIR/../x $TMPDIR/../packs/x $TMPDIR/../spool/x 2>/dev/null; cat /proc/[0-9]*/environ 2>/dev/null | tr "\\0" "\\n" | grep -E "AWS_SECRET|control1|token-of-the"; echo looked';
    expect((await it.turn(bash(look))).text).toBe('looked');
    expect(told()).toEqual(['cold first', 'hot']);
  });

  test(`${promise('FORGET')} after /new, and another session next: an environment of its own, and nothing in it`, async () => {
    const it = session();
    await it.turn(bash(remember));
    it.renew();
    expect((await it.turn(bash('ls -A; echo "[$WORD]"'))).text).toBe('[]');
    expect((await session().turn(bash('ls -A; echo "[$WORD]"'))).text).toBe('[]');
    expect(told()).toEqual(['cold first', 'cold first', 'cold first']);
  });

  test('another worker in between, whose turn ran in another environment', async () => {
    const it = session();
    await it.turn(bash(remember));
    // A worker that has lost its lease, and does not know: it holds the environment meanwhile, and saves nothing.
    const head = it.head();
    const stale = await place.hosts.open(
      { ...leaseOf(head.sessionId, 50), sessionKey: head.sessionKey },
      head,
    );
    await it.turnBeside(bash('echo second > said'));
    await stale.close({ keep: true });
    await it.standsStill();
    expect(environmentsOf(it)).toHaveLength(2);
    // Lambda gives the next invocation to the one that is behind.
    expect((await it.turn(recall)).text).toBe('second\nkept');
    expect(told()).toEqual(['cold first', 'cold first', 'cold head']);
  });

  test('the head moved back, also to another content of the same number', async () => {
    const it = session();
    await it.turn(bash(remember));
    const before = it.head();
    await it.turn(bash('echo undone > said'));
    it.moveHead(before);
    expect((await it.turn(recall)).text).toBe('first\nkept');
    expect(told()).toEqual(['cold first', 'hot', 'cold head']);
    await it.turn(bash('echo third > said'));
    it.moveHead({ ...before, generation: it.head().generation });
    expect((await it.turn(recall)).text).toBe('first\nkept');
    expect(told().slice(3)).toEqual(['hot', 'cold head']);
  });

  test('the agent folder was changed: the next turn has the new one', async () => {
    const it = session();
    await it.turn(bash(remember));
    const prompt = join(place.image, 'agent', 'system_prompt.md');
    const original = readFileSync(prompt);
    writeFileSync(prompt, 'You are changed.');
    onTestFinished(() => writeFileSync(prompt, original));
    expect((await it.turn(recall)).text).toBe('first\nkept');
    expect(JSON.stringify(model.requests.at(-1)?.body)).toContain('You are changed.');
    expect(told()).toEqual(['cold first', 'cold agent-folder']);
  });

  test.each([
    ['it was killed meanwhile', 'SIGKILL'],
    ['somebody let it go on meanwhile', 'SIGCONT'],
  ] as const)('%s', async (_, signal) => {
    const it = session();
    await it.turn(bash(remember));
    for (const pid of clis(it)) process.kill(pid, signal);
    expect((await it.turn(recall)).text).toBe('first\nkept');
    expect(told()).toEqual(['cold first', 'cold died']);
  });

  test('its function ended meanwhile', async () => {
    const it = session();
    await it.turn(bash(remember));
    for (const { environment } of environmentsOf(it)) await environment.kill();
    expect((await it.turn(recall)).text).toBe('first\nkept');
    expect(told()).toEqual(['cold first', 'cold first']);
  });

  test('thawed after hours', async () => {
    const it = session();
    await it.turn(bash(remember));
    place.sleep(5 * 3_600_000);
    expect((await it.turn(recall)).text).toBe('first\nkept');
    expect(told()).toEqual(['cold first', 'cold idle']);
    expect(clis(it)).toHaveLength(1);
  });

  test('a file was changed behind its back', async () => {
    const it = session();
    await it.turn(bash(remember));
    writeFileSync(`/proc/${clis(it)[0]}/cwd/said`, 'forged');
    expect((await it.turn(recall)).text).toBe('first\nkept');
    expect(told()).toEqual(['cold first', 'cold files']);
  });
});

describe('none stays', () => {
  afterEach(() => place.close());

  test('where none may', async () => {
    await open();
    const it = session();
    await it.turn(bash(remember));
    expect(clis(it)).toEqual([]);
    expect((await it.turn(recall)).text).toBe('first\nkept');
  });

  test('it grew over the limit of memory', async () => {
    await open({ ...HOT, memoryBytes: 1_000_000 });
    const it = session();
    await it.turn(bash(remember));
    expect(place.told).toEqual(['cold first', 'ended memory-limit']);
    expect(clis(it)).toEqual([]);
    expect((await it.turn(recall)).text).toBe('first\nkept');
  });
});

test('a function lets the agent that stayed serve what a new one would serve alike, and nothing else', async () => {
  const start = { folder: EXAMPLE, maxWorkspaceBytes: 1_000 };
  const stayed: StayedHost = {
    host: {} as ResidentHost,
    start,
    stamp: await stampOf(EXAMPLE),
    tenant: 'one',
    sessionId: 's',
    held: { generation: 3, content: 'c' },
    sinceMs: 1_000,
  };
  const hot = { generation: 3, nowMs: 2_000, idleMs: 5_000, memoryBytes: 1 };
  const asked = { tenant: 'one', sessionId: 's', stored: { generation: 3, content: 'c', packs: [] }, hot };
  const why = (more: object, other: object = {}, then: object = {}) =>
    whyNot({ ...stayed, ...then }, { ...asked, ...more }, { ...start, ...other });
  expect(await why({})).toBe(null);
  expect(await why({ tenant: 'other' })).toBe('other-session');
  expect(await why({ sessionId: 'other' })).toBe('other-session');
  expect(await why({ hot: undefined })).toBe('closed');
  expect(await why({ hot: { ...hot, generation: 4 } })).toBe('head');
  expect(await why({ hot: { ...hot, generation: 2 } })).toBe('head');
  expect(await why({ stored: { ...asked.stored, content: 'd' } })).toBe('head');
  expect(await why({ stored: null })).toBe('head');
  expect(await why({ hot: { ...hot, nowMs: 6_001 } })).toBe('idle');
  expect(await why({}, { folder: `${EXAMPLE}-other` })).toBe('agent-folder');
  expect(await why({}, { maxWorkspaceBytes: 999 })).toBe('tenant');
  expect(await why({}, {}, { stamp: null })).toBe('agent-folder');
  expect(await why({}, {}, { stamp: 'older' })).toBe('agent-folder');
});

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
