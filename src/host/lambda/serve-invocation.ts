// The host's side of an invocation: lays the line of ../serve-host.ts over the response's stream and the worker's mailbox.
// It has nothing of the worker but URLs for packs and a token to ask what the worker says. One session, in a folder that
// belongs to it alone. Told to rest it answers and leaves its agent, which stands still, for the session's next invocation here.
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { backoffMs } from '../../core/backoff.ts';
import { writeFrame } from '../frames.ts';
import type { WhyEvicted } from '../hot-reasons.ts';
import type { FromHost, ToHost } from '../protocol.ts';
import {
  CONTROL_PATH,
  type Invocation,
  invocationSchema,
  MAX_CONTROL_WAIT_MS,
  type Message,
  type News,
  newsSchema,
} from './invocation.ts';
import { type ResidentHost, type ResidentHostOptions, startResidentHost } from './resident-host.ts';
import { type HostStart, type StayedHost, stampOf, whyNot } from './stayed-host.ts';

export interface InvocationOptions extends ResidentHostOptions {
  readonly agentFolder: string;
  /** Where those are that tenants may be given. */
  readonly agentFolders: string;
}

type Open = Extract<ToHost, { type: 'open' }>;
type Opened = Extract<FromHost, { type: 'opened' }>;

/** While the agent runs only a stop may come. */
const ASK_EVERY_MS = 1_500;
/** Without a word for so long the worker is gone. It says that it is there every twenty seconds. */
const LONELY_MS = 90_000;
const AGAIN = { firstMs: 100, maxMs: 3_000, jitter: 0.5 };

/** Serves one invocation after the other; each resolves when the worker has closed its host or let it rest, or is gone. */
export function createInvocationServer(
  options: InvocationOptions,
): (event: unknown, out: Writable) => Promise<void> {
  let stayed: StayedHost | null = null;
  return async (event, out) => {
    const before = stayed;
    // What goes wrong from here on leaves nothing to go on with.
    stayed = null;
    stayed = await serveInvocation(options, before, event, out);
  };
}

async function serveInvocation(
  options: InvocationOptions,
  before: StayedHost | null,
  event: unknown,
  out: Writable,
): Promise<StayedHost | null> {
  const { control, messages, agent, maxWorkspaceBytes }: Invocation = invocationSchema.parse(event);
  const start: HostStart = {
    folder: agent === undefined ? options.agentFolder : join(options.agentFolders, agent),
    maxWorkspaceBytes: maxWorkspaceBytes ?? options.limits.maxWorkspaceBytes,
  };
  const over = new AbortController();
  const begunAtMs = performance.now();
  const rested = Promise.withResolvers<boolean>();
  let isOpen = false;
  let isRunning = false;
  /** The session, when one has been opened. */
  let at: Omit<StayedHost, 'sinceMs'> | null = null;
  let hot: Open['hot'];
  /** Of the save that runs. */
  let saving = 0;
  /** Why an agent that stayed did not serve; null when none was there. */
  let cold: WhyEvicted | null = null;
  let woken: ((answer: Opened | Extract<FromHost, { type: 'failed' }>) => void) | null = null;
  /** True when the worker's next word is what the host waits for. */
  const isWaiting = () => isOpen && !isRunning;

  async function hear({ frame, reads, writes }: Message): Promise<void> {
    const said = frame as ToHost | undefined;
    if (said?.type === 'open') return await open(said, reads);
    at?.host.objects.allow({ reads, writes });
    if (said === undefined || !at) return;
    if (said.type === 'run') isRunning = true;
    if (said.type === 'save') saving = said.generation;
    if (said.type === 'have' && said.found) return await at.host.fetchPack(said.name);
    at.host.feed(said);
  }

  /** With the agent that stayed here, if it may go on; else from nothing. */
  async function open(said: Open, reads: Message['reads']): Promise<void> {
    if (at) throw new Error('A host serves one session.');
    hot = said.hot;
    if (before) {
      cold = (await whyNot(before, said, start)) ?? (await wake(before, said, reads));
      if (cold === null) return await say({ type: 'opened', hot: true });
      at = null;
      await before.host.end();
    }
    const stamp = await stampOf(start.folder);
    const host = await startResidentHost(
      { ...options, limits: { ...options.limits, maxWorkspaceBytes: start.maxWorkspaceBytes } },
      start.folder,
    );
    const held = { generation: said.hot?.generation ?? 0, content: said.stored?.content ?? null };
    begin({ host, start, stamp, held, tenant: said.tenant, sessionId: said.sessionId }, reads);
    host.feed({ ...said, directory: host.directory });
  }

  function begin(session: NonNullable<typeof at>, reads: Message['reads']): void {
    at = session;
    session.host.objects.allow({ reads });
    session.host.listen(say);
    // Of one that made way for another the end means nothing.
    session.host.ended.then(
      () => at?.host === session.host && rested.resolve(false),
      (error: unknown) => at?.host === session.host && rested.reject(error),
    );
  }

  async function wake(
    session: StayedHost,
    { fence, stored }: Open,
    reads: Message['reads'],
  ): Promise<WhyEvicted | null> {
    const answered = Promise.withResolvers<Opened | Extract<FromHost, { type: 'failed' }>>();
    woken = answered.resolve;
    begin(session, reads);
    if (stored) session.host.feed({ type: 'wake', fence, stored });
    const answer = await Promise.race([answered.promise, session.host.ended.then(() => null)]).catch(
      () => null,
    );
    woken = null;
    return answer?.type === 'opened' ? (answer.cold ?? null) : 'died';
  }

  async function say(frame: FromHost): Promise<void> {
    if (woken) {
      if (frame.type === 'opened' || frame.type === 'failed') woken(frame);
      return;
    }
    if (frame.type === 'opened' || frame.type === 'failed') isOpen = true;
    if (frame.type === 'ended') isRunning = false;
    if (frame.type === 'saved' && at)
      at = { ...at, held: { generation: saving, content: frame.stored.content } };
    if (frame.type === 'resting') return await settle(frame);
    const told = frame.type === 'opened' && cold !== null ? { ...frame, cold } : frame;
    if (!writeFrame(out, told) && out.writable) await drained(out);
  }

  /** It rests, or no agent stayed: the invocation is over either way. */
  async function settle(resting: Extract<FromHost, { type: 'resting' }>): Promise<void> {
    const { memoryBytes = 0 } = resting;
    const why = resting.cold ?? (hot && memoryBytes <= hot.memoryBytes ? null : 'memory-limit');
    writeFrame(out, why === null ? resting : { type: 'resting', cold: why });
    rested.resolve(why === null);
  }

  async function hearAll(): Promise<void> {
    let after = 0;
    let failures = 0;
    let heardAtMs = performance.now();
    while (!over.signal.aborted) {
      if (performance.now() - heardAtMs > LONELY_MS) return rested.resolve(false);
      if (!isWaiting()) await wait(ASK_EVERY_MS, isWaiting);
      const waitMs = isWaiting() ? MAX_CONTROL_WAIT_MS : 0;
      const news = await ask(control, after, waitMs, over.signal).catch(() => null);
      failures = news ? 0 : failures + 1;
      if (!news) await wait(backoffMs(AGAIN, failures));
      for (const { number, message } of news?.messages ?? []) {
        after = number;
        heardAtMs = performance.now();
        await hear(message);
      }
    }
  }

  async function wait(ms: number, isOver = () => false): Promise<void> {
    for (let left = ms; left > 0 && !isOver() && !over.signal.aborted; left -= 20) await sleep(20);
  }

  let hearing: Promise<void> | undefined;
  let stays = false;
  const opened = (): ResidentHost | null => at?.host ?? null;
  try {
    for (const message of messages) await hear(message);
    hearing = hearAll().catch((error: unknown) => rested.reject(error));
    const rests = await rested.promise;
    if (rests) await opened()?.rest();
    stays = rests;
  } finally {
    over.abort();
    await hearing;
    if (!stays) await (opened() ?? before?.host)?.end();
  }
  const session = at as Omit<StayedHost, 'sinceMs'> | null;
  if (!stays || !session || !hot) return null;
  // That invocation is over: nobody hears what would come now.
  session.host.listen(async () => {});
  return { ...session, sinceMs: hot.nowMs + performance.now() - begunAtMs };
}

async function ask(
  { url, token }: Invocation['control'],
  after: number,
  waitMs: number,
  over: AbortSignal,
): Promise<News> {
  const response = await fetch(new URL(`${CONTROL_PATH}?after=${after}&waitMs=${waitMs}`, url), {
    headers: { authorization: `Bearer ${token}` },
    signal: AbortSignal.any([over, AbortSignal.timeout(MAX_CONTROL_WAIT_MS + 10_000)]),
  });
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  return newsSchema.parse(await response.json());
}

async function drained(stream: Writable): Promise<void> {
  await new Promise<void>((resolve) => {
    stream.once('drain', resolve).once('close', resolve);
  });
}
