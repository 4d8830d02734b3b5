// One conversation's stored state: the ledger holds each message once, every kept generation is whole, and what the
// newest one restores to holds every prompt once and in order, every file, and nothing of another chat.

import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { messageUuid } from '../../src/agent/continuation.ts';
import { transcriptPath } from '../../src/agent/transcript-file.ts';
import { DEFAULT_TENANT } from '../../src/core/defaults.ts';
import type { SessionHead } from '../../src/core/records.ts';
import { findOrphans, verifyState } from '../../src/state/verify.ts';
import { ownCanaryOnly } from './check-chat.ts';
import type { CheckInput, Outcome } from './check-input.ts';
import type { Findings } from './findings.ts';
import { fileOf } from './model.ts';
import { canaryOf, promptOf } from './planned.ts';
import { openState } from './ports.ts';
import type { ReplayedChat } from './replay-chat.ts';
import { linesOf } from './woken-turns.ts';

/** Returns how many objects nothing refers to. */
export async function checkState(
  chat: readonly Outcome[],
  replayed: ReplayedChat,
  { ports, folder }: CheckInput,
  findings: Findings,
): Promise<number> {
  const { expect } = findings;
  const number = chat[0]?.sent.message.chat ?? 0;
  // A group that became a supergroup has had two.
  const keys = [...new Set([...chat.map(({ sent }) => sent.sessionKey), ...replayed.movedTo])];
  const turns = (await Promise.all(keys.map((each) => linesOf(ports.store, each)))).flat();
  const known = new Set<string>(chat.map(({ sent }) => sent.turnId));
  const strange = turns.filter(({ turnId }) => !known.has(turnId));
  expect(
    strange.length === 0,
    'once-in',
    null,
    () => `Chat ${number} has ${strange.length} turns that nobody asked for.`,
  );
  const left = turns.filter(({ status }) => status !== 'delivered');
  expect(
    left.length === 0,
    'settled',
    null,
    () => `Chat ${number} has ${left.length} turns that are not closed.`,
  );

  const mappings = await Promise.all(keys.map((each) => ports.store.getMapping(each)));
  const pointed = mappings.filter((mapping) => mapping !== null).map(({ session_id }) => session_id);
  expect(
    pointed.length <= 1 && (pointed[0] ?? null) === replayed.session,
    'session',
    null,
    () => `Chat ${number} points at ${pointed.join(', ') || 'no session'}, not at ${replayed.session}.`,
  );
  let orphans = 0;
  for (const sessionKey of keys) {
    const heads = await ports.store.listHeads(DEFAULT_TENANT, { sessionKey, limit: 200 });
    for (const each of heads.items) {
      orphans += await checkWhole(each, number, ports, findings);
      const isErased = replayed.erased.some(({ id }) => id === each.sessionId);
      expect(!isErased, 'erased', null, () => `Chat ${number}: session ${each.sessionId} is still there.`);
    }
  }
  const head = pointed[0] ? await ports.store.getHead(DEFAULT_TENANT, pointed[0]) : null;
  expect(!!head || replayed.session === null, 'state', null, () => `Chat ${number} has no session.`);
  if (!head) return orphans;
  await checkRestored(head, chat, replayed, folder, ports.objects, findings);
  return orphans;
}

/** Returns how many objects of the session nothing refers to. */
async function checkWhole(
  head: SessionHead,
  number: number,
  ports: CheckInput['ports'],
  { expect }: Findings,
): Promise<number> {
  const report = await verifyState(ports.objects, head);
  expect(
    report.problems.length === 0,
    'whole',
    null,
    () => `Chat ${number}: ${report.problems.map((p) => p.message).join('; ')}`,
  );
  for (const { generation, restorable } of report.generations) {
    expect(restorable, 'whole', null, () => `Chat ${number}: generation ${generation} cannot be restored.`);
  }
  const orphans = await findOrphans(ports.objects, head, {
    nowMs: Date.now() + 60_000,
    graceMs: 0,
    heads: ports.store,
  });
  return orphans.length;
}

async function checkRestored(
  head: SessionHead,
  chat: readonly Outcome[],
  { lines, loose }: ReplayedChat,
  folder: string,
  objects: CheckInput['ports']['objects'],
  { expect }: Findings,
): Promise<void> {
  const number = chat[0]?.sent.message.chat ?? 0;
  const root = join(folder, 'restored');
  const directory = { root, config: join(root, 'config'), workspace: join(root, 'workspace') };
  for (const path of [directory.config, directory.workspace]) await mkdir(path, { recursive: true });
  try {
    await openState(objects).restore(head, directory);
    const transcript = transcriptPath(directory.config, head.sessionId);
    const prompts = await promptsOf(transcript);
    const said = new Set(lines.flatMap((line) => (line.isCertain ? line.prompts : [])));
    const maybeSaid = new Set([...loose, ...lines.flatMap((line) => line.prompts)]);
    for (const outcome of chat) {
      const prompt = promptOf(outcome.sent.message);
      const uuid = outcome.turn && messageUuid(outcome.turn.turnId);
      const held = prompts.filter((entry) => entry.uuid === uuid);
      const twins = prompts.filter(({ texts }) => texts.includes(prompt)).length;
      const right = held.every(({ texts }) => texts.includes(prompt)) && twins === held.length;
      const isThere = said.has(outcome.number);
      const times = isThere ? held.length === 1 : held.length <= (maybeSaid.has(outcome.number) ? 1 : 0);
      expect(
        right && times,
        'transcript',
        outcome.number,
        () => `The transcript holds it ${held.length} times by its id, ${twins} times by its text.`,
      );
    }
    const whole = await readFile(transcript, 'utf8').catch(() => '');
    for (const { isCertain, outcome } of lines) {
      const said = outcome.turn?.reply?.asked ? undefined : answerIn(outcome.turn?.reply?.text);
      if (!isCertain || said === undefined) continue;
      expect(whole.includes(said), 'transcript', outcome.number, () => 'The transcript lacks its answer.');
    }
    const written = new Set(lines.flatMap((line) => (line.isCertain ? line.files : [])));
    const maybeWritten = new Set([...loose, ...lines.flatMap((line) => line.files)]);
    for (const { number: each } of chat) {
      const file = await readFile(join(directory.workspace, fileOf(each)), 'utf8').catch(() => null);
      const isWhole = file === `${fileOf(each)} ${canaryOf(number)}`;
      const isRight = written.has(each) ? isWhole : file === null || (maybeWritten.has(each) && isWhole);
      expect(isRight, 'workspace', each, () => `Its file holds ${JSON.stringify(file)}.`);
    }
    const once = lines
      .filter(({ isCertain, outcome }) => isCertain && !outcome.continued)
      .filter(({ prompts: own, outcome }) => own.includes(outcome.number))
      .map(({ outcome }) => outcome);
    const places = once.map((outcome) =>
      prompts.findIndex(({ texts }) => texts.some((text) => text.includes(promptOf(outcome.sent.message)))),
    );
    const ordered = places.every((place, index) => index === 0 || (places[index - 1] ?? 0) < place);
    expect(
      ordered,
      'order',
      null,
      () => `Chat ${number}: the transcript's prompts stand in another order: ${places.join(' ')}`,
    );
    const everything = [whole, ...(await filesBelow(directory.workspace))].join('\n');
    expect(
      ownCanaryOnly(everything, number),
      'apart',
      null,
      () => `Chat ${number} holds something of another chat.`,
    );
    const strange = [...everything.matchAll(/#m(\d+)/g)].filter(
      ([, found]) => !chat.some((each) => each.number === Number(found)),
    );
    expect(strange.length === 0, 'apart', null, () => `Chat ${number} holds messages of another chat.`);
    const numbers = new Set([...everything.matchAll(/#m(\d+)/g)].map(([, found]) => Number(found)));
    const left = [...numbers].filter((each) => !maybeSaid.has(each));
    expect(
      left.length === 0 || strange.length > 0,
      'left-behind',
      left[0] ?? null,
      () => `Chat ${number} holds what was undone or left behind: ${left.join(' ')}`,
    );
  } catch (error) {
    expect(false, 'whole', null, () => `Chat ${number} cannot be restored: ${String(error)}`);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

/** Its first sentence, as the agent said it. */
const answerIn = (text: string | undefined): string | undefined =>
  text?.match(/^(?:Noted|Left out) #m\d+ for \w+\./)?.[0];

/** Each with all its texts: what the agent is told around a message stands beside it, under the same id. */
async function promptsOf(transcript: string): Promise<{ uuid: string | undefined; texts: string[] }[]> {
  const text = await readFile(transcript, 'utf8').catch(() => '');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .flatMap((line) => {
      const entry = JSON.parse(line) as {
        type?: string;
        uuid?: string;
        message?: { content?: string | { type: string; text?: string }[] };
      };
      const { uuid } = entry;
      const content = entry.message?.content;
      if (entry.type !== 'user' || content === undefined) return [];
      if (typeof content === 'string') return [{ uuid, texts: [content] }];
      const texts = content.flatMap((block) => (block.type === 'text' ? [block.text ?? ''] : []));
      return texts.length === 0 ? [] : [{ uuid, texts }];
    });
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return Promise.all(
    entries
      .filter((entry) => entry.isFile())
      .map((entry) => readFile(join(entry.parentPath, entry.name), 'utf8')),
  );
}
