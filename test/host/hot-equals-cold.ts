// A hot turn leaves what a cold one leaves: the same random turns, once with a CLI that stays and once without, on the real
// CLI. After every turn the answers, the requests to the model and all files that a restore lays out are compared, byte
// for byte but for what `normalized` names.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { lstat, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { promise } from '../../src/core/promises.ts';
import { bash, call } from '../agent/turn-fixture.ts';
import { seeded } from '../state/fixture.ts';
import type { HotFixture, HotSession } from './hot-fixture.ts';

/** Written when a CLI begins or ends, or a log of what it did: no part of the conversation. */
const OF_THE_PROCESS = new Set([
  'last-prompt',
  'mode',
  'cost-state',
  'atis-latch',
  'tools-used',
  'api-request',
  'api-request-shape',
  'api-request-blob',
]);

const WORKSPACE = '/tmp/workspace';
const MEMORY = '/tmp/.claude-code/projects/session/memory/MEMORY.md';

/** Messages that change what a session can hold. Those that a CLI reads only once at its start are among them. */
function messages(seed: number, count: number): string[] {
  const random = seeded(seed);
  const pick = <T>(...of: readonly T[]): T => of[Math.floor(random() * of.length)]!;
  const file = () => `${pick('a', 'b', 'c')}.txt`;
  const word = () => pick('one', 'two', 'three');
  const path = () => `${WORKSPACE}/${file()}`;
  const input = (name: string, value: object) => call({ name, input: value });
  return Array.from({ length: count }, () =>
    pick<() => string>(
      () => `say ${word()}`,
      () => bash(`echo ${word()} >> ${file()}; cat *.txt 2>/dev/null | sort | tail -5`),
      () => bash(`mkdir -p d/${word()}; chmod 7${pick(0, 5)}0 d/*; ln -sf ../${file()} d/link; ls -R .`),
      () => bash(`export ${pick('X', 'Y')}=${word()}; echo "$X$Y"; pwd`),
      () =>
        bash(
          `cd ${pick('.', `mkdir-me 2>/dev/null || mkdir -p sub && cd sub`, WORKSPACE)}; pwd; echo "$X$Y"`,
        ),
      () =>
        bash(
          `rm -f ${file()}; echo planted > $HOME/.bashrc; echo x > /tmp/left; ls -A $HOME /tmp/tmp /dev/shm; (setsid env -i sleep 50 &) ; true`,
        ),
      () => bash('seq 1 20000; exit 3'),
      () => bash('git init -q . 2>&1; git status --short 2>&1 | head -3'),
      () => input('Write', { file_path: path(), content: `${word()}\n` }),
      () =>
        call(
          { name: 'Read', input: { file_path: path() } },
          { name: 'Edit', input: { file_path: path(), old_string: word(), new_string: word() } },
        ),
      () => input('Edit', { file_path: path(), old_string: word(), new_string: word() }),
      () => input('Read', { file_path: path() }),
      () => input('Write', { file_path: MEMORY, content: `remember ${word()}\n` }),
      () => input('TaskCreate', { subject: word(), description: word() }),
      () => input('TaskList', {}),
      () => input('Agent', { subagent_type: 'reviewer', description: 'test', prompt: `review ${word()}` }),
    )(),
  );
}

export type HotPlace = Pick<HotFixture, 'model' | 'told' | 'state' | 'session' | 'close'>;

/** `open`: a place in which agents stay, or in which none does; sessions of the two lie at the same paths. */
export function hotEqualsCold(
  open: (kind: 'hot' | 'cold') => Promise<HotPlace>,
  { seeds, turns }: { readonly seeds: readonly number[]; readonly turns: number },
): void {
  const opened: HotPlace[] = [];
  afterEach(async () => {
    for (const place of opened.splice(0)) await place.close();
  });

  test.each(seeds)(`${promise('WHOLE')} random turns, hot and cold, seed %i`, async (seed) => {
    const said = messages(seed, turns);
    const hot = await open('hot');
    opened.push(hot);
    const cold = await open('cold');
    opened.push(cold);
    const [one, two] = [hot.session('hot-equals-cold'), cold.session('hot-equals-cold')];
    let seen = { hot: 0, cold: 0 };
    for (const [index, text] of said.entries()) {
      const outcomes = { hot: await one.turn(text), cold: await two.turn(text) };
      const [left, right] = [normalizer(), normalizer()];
      const where = `turn ${index}: ${text}`;
      expect(left(outcomes.hot.text), where).toBe(right(outcomes.cold.text));
      const requests = { hot: requestsOf(hot, seen.hot, left), cold: requestsOf(cold, seen.cold, right) };
      expect(requests.hot, where).toEqual(requests.cold);
      seen = { hot: hot.model.requests.length, cold: cold.model.requests.length };
      expect(await filesOf(hot, one, left), where).toEqual(await filesOf(cold, two, right));
    }
    const starts = hot.told.filter((told) => told.startsWith('hot') || told.startsWith('cold'));
    console.info(`seed ${seed}: ${hot.told.join(', ')}`);
    expect(starts.filter((start) => start === 'hot').length).toBeGreaterThan(said.length / 4);
  });
}

function requestsOf({ model }: HotPlace, from: number, normalized: (text: string) => string): string[] {
  return model.requests.slice(from).map(({ path, body }) => {
    // Of the machine, not of the session: made anew at every start.
    const { metadata: _, ...rest } = body as Record<string, unknown>;
    return normalized(`${path} ${JSON.stringify(rest)}`);
  });
}

/** What a restore of the head lays out. */
async function filesOf(
  { state }: HotPlace,
  session: HotSession,
  normalized: (text: string) => string,
): Promise<Record<string, string>> {
  const root = await mkdtemp(join(tmpdir(), 'hot-files-'));
  const directory = { root, config: join(root, 'config'), workspace: join(root, 'workspace') };
  try {
    for (const path of [directory.config, directory.workspace]) await mkdir(path);
    await state.restore(session.head(), directory);
    const found: Record<string, string> = {};
    const names = readdirSync(root, { recursive: true, encoding: 'utf8' }).sort();
    // The conversation first: it names what other files are called.
    for (const name of [...names.filter((one) => one.endsWith('.jsonl')), ...names]) {
      const info = await lstat(join(root, name));
      const shown = normalized(`${name} ${(info.mode & 0o777).toString(8)}`);
      if (info.isSymbolicLink()) found[shown] = readlinkSync(join(root, name)).replace(root, '<root>');
      else if (info.isDirectory()) found[shown] = 'folder';
      else found[shown] = normalized(contentOf(name, readFileSync(join(root, name), 'latin1')));
    }
    return found;
  } finally {
    await rm(root, { recursive: true });
  }
}

function contentOf(name: string, text: string): string {
  // How long the transcript is depends on the lines that are left out.
  if (name === 'config/.hybrid/conversation.json') return text.replace(/\d+/, 'N');
  if (!name.endsWith('.jsonl')) return text;
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.filter((line) => !OF_THE_PROCESS.has((JSON.parse(line) as { type: string }).type)).join('\n');
}

/** Names ids in the order in which they come; times and durations are all the same. */
function normalizer(): (text: string) => string {
  const names = new Map<string, string>();
  const nameOf = (id: string): string => {
    if (!names.has(id)) names.set(id, `<${names.size}>`);
    return names.get(id)!;
  };
  return (text) =>
    text
      .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, nameOf)
      .replace(/\b(?:toolu|msg|req|agent)[_-][0-9A-Za-z_]{6,}/g, nameOf)
      // A subagent's.
      .replace(/\ba[0-9a-f]{16}\b/g, nameOf)
      .replace(/duration_ms: \d+/g, 'duration_ms: <ms>')
      // The scripted model counts bytes, those of durations too.
      .replace(/(\\*"(?:in|out)put_tokens\\*":)\d+/g, '$1<tokens>')
      .replace(/subagent_tokens: \d+/g, 'subagent_tokens: <tokens>')
      .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>')
      .replace(/(\\*"(?:\w*Ms|\w*_ms|\w*[dD]uration\w*)\\*":)\d+(\.\d+)?/g, '$1<ms>');
}
