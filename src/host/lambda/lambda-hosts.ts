// Hosts as invocations of a function with tenant isolation: Lambda gives every session an environment of its own, and sends
// the session's next invocation there. The function has no rights; what it needs of the store it gets as URLs. To the
// rest of the worker such a host looks like a process with two streams.
import { createHash, randomBytes } from 'node:crypto';
import { Duplex, Readable } from 'node:stream';
import { InvokeWithResponseStreamCommand, type LambdaClient } from '@aws-sdk/client-lambda';
import { Conflict, Refused } from '../../core/errors.ts';
import { errorFields, type Log } from '../../core/log.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { ObjectStore } from '../../core/ports/objects.ts';
import type { Lease } from '../../core/records.ts';
import { baseNameOf, packKey, packName, type StoredGeneration } from '../../state/record.ts';
import { createHostLink, type HostEnd, type HostProcess } from '../host-link.ts';
import type { WhyEvicted } from '../hot-reasons.ts';
import type { PackIntake } from '../pack-intake.ts';
import type { ToHost } from '../protocol.ts';
import type { HostNeeds, SpareHost } from '../spare-host.ts';
import { signControlToken } from './control-token.ts';
import { INVOCATION_VERSION, type Invocation, type Message, type PresignedWrite } from './invocation.ts';
import type { Mailbox, MailboxId } from './mailbox.ts';

/** Makes URLs that are good for one object for some minutes. */
export interface Presigner {
  read(key: string): Promise<string>;
  /** Puts if absent, once. */
  write(key: string): Promise<PresignedWrite>;
}

export interface LambdaHostsOptions {
  readonly client: Pick<LambdaClient, 'send'>;
  readonly functionName: string;
  readonly presigner: Presigner;
  readonly objects: Pick<ObjectStore, 'list'>;
  readonly mailbox: Mailbox;
  /** Where the host asks for what its worker says, and the secret its token is signed with. */
  readonly control: { readonly url: string; readonly secret: Uint8Array };
  readonly clock: Clock;
  readonly log: Log;
}

/** A host that hears nothing for long is alone: its worker has died. */
const ALIVE_EVERY_MS = 20_000;
/** Longer than any invocation. */
const TOKEN_MS = 20 * 60_000;
const CLOSE_MS = 5_000;
/** Until what the agent was started with stands still, and the invocation is over. */
const REST_MS = 30_000;
/** A response's stream passes more parts that may falter for a moment than a pipe does. */
const SILENT_MS = 30_000;
/** When there are as many environments as there may be: one ends when its session has been quiet for some minutes. */
const BUSY_RETRY_MS = 30_000;
/** One pack with what changed and one that merges, each of which may meet a name that is taken. */
const NAMES_PER_SAVE = 6;

export function createLambdaHosts(
  options: LambdaHostsOptions,
): (needs?: HostNeeds | null) => Promise<SpareHost> {
  return async (needs = null) => {
    const relay = createRelay(options, needs);
    const link = createHostLink(relay.process, options.log, { silentMs: SILENT_MS });
    let closed: Promise<void> | undefined;
    const over = async () => {
      const impatient = setTimeout(link.kill, CLOSE_MS);
      await link.ended;
      clearTimeout(impatient);
    };
    const close = async () => {
      link.send({ type: 'close' });
      await over();
    };
    async function stay(): Promise<WhyEvicted | null> {
      const { cold = null } = await link.ask({ type: 'rest' }, 'resting', REST_MS);
      // Its invocation ends by itself.
      closed ??= over();
      await closed;
      return cold;
    }
    return { link, claim: relay.claim, close: () => (closed ??= close()), stay };
  };
}

/** Of a session: what Lambda keeps apart. A hash, so that every id is a valid one and none says whose it is. */
export function tenantIdOf({ tenant, sessionId }: Pick<Lease, 'tenant' | 'sessionId'>): string {
  return createHash('sha256').update(`${tenant}/${sessionId}`).digest('hex');
}

interface Relay {
  readonly process: HostProcess;
  claim(lease: Lease, stored: StoredGeneration | null): ReturnType<SpareHost['claim']>;
}

function createRelay(options: LambdaHostsOptions, needs: HostNeeds | null): Relay {
  const { mailbox, presigner, clock, log } = options;
  const gone = new AbortController();
  const ending = Promise.withResolvers<HostEnd>();
  let session: {
    readonly lease: Lease;
    readonly box: MailboxId;
    readonly reads: Record<string, string>;
    /** Of packs that another session wrote: their names in the head, by those that the host knows. */
    readonly names: ReadonlyMap<string, string>;
    /** The keys of what the worker has allowed it to read. */
    readonly staged: Map<string, string>;
  } | null = null;
  let posted = 0;
  let isInvoked = false;
  let isOver = false;
  let alive: NodeJS.Timeout | undefined;

  function end(reason: HostEnd): void {
    isOver = true;
    clearInterval(alive);
    frames.push(null);
    ending.resolve(reason);
  }

  async function post(message: Message): Promise<void> {
    if (!session || isOver) return;
    posted += 1;
    await mailbox.post(session.box, posted, message);
  }

  /** The worker's frame, with the URLs that it makes use of. */
  async function messageFor(frame: ToHost): Promise<Message | null> {
    if (!session) return null;
    const { lease, reads } = session;
    // The host knows what became of its own upload.
    if (frame.type === 'put') return null;
    if (frame.type === 'open') return { frame, reads };
    if (frame.type === 'have' && frame.found) {
      const name = session.names.get(frame.name) ?? frame.name;
      const key = session.staged.get(frame.name) ?? packKey(lease, name);
      return { frame, reads: { [frame.name]: await presigner.read(key) } };
    }
    if (frame.type === 'run' && frame.files) {
      const known = frame.files.flatMap(({ object }) => {
        const key = session?.staged.get(object);
        return key === undefined ? [] : [{ object, key }];
      });
      const signed = known.map(async ({ object, key }) => [object, await presigner.read(key)] as const);
      return { frame, reads: Object.fromEntries(await Promise.all(signed)) };
    }
    if (frame.type === 'give') {
      const signed = frame.names.map(async (name) => {
        const key = session?.staged.get(name);
        return key === undefined ? [] : [[name, await presigner.write(key)] as const];
      });
      return { frame, writes: Object.fromEntries((await Promise.all(signed)).flat()) };
    }
    if (frame.type !== 'save') return { frame };
    const names = Array.from({ length: NAMES_PER_SAVE }, () => randomBytes(4).toString('hex'));
    const writes = await Promise.all(
      names.map(async (random) => {
        const name = packName(frame.generation, lease.fence, random);
        return [name, await presigner.write(packKey(lease, name))] as const;
      }),
    );
    return { frame: { ...frame, names }, writes: Object.fromEntries(writes) };
  }

  async function say(frame: ToHost): Promise<void> {
    const message = await messageFor(frame);
    if (!message || isOver) return;
    if (isInvoked) return await post(message);
    isInvoked = true;
    void invoke(message);
  }

  async function invoke(first: Message): Promise<void> {
    const { lease, box } = session!;
    const expiresAtMs = clock.now() + TOKEN_MS;
    const { url, secret } = options.control;
    const invocation: Invocation = {
      version: INVOCATION_VERSION,
      control: { url, token: signControlToken(secret, { box, expiresAtMs }) },
      messages: [first],
      ...(needs && { maxWorkspaceBytes: needs.limits.maxWorkspaceBytes }),
      ...(needs?.agent ? { agent: needs.agent } : {}),
    };
    alive = setInterval(() => void post({}).catch(() => {}), ALIVE_EVERY_MS).unref();
    try {
      const { EventStream = [] } = await options.client.send(
        new InvokeWithResponseStreamCommand({
          FunctionName: options.functionName,
          TenantId: tenantIdOf(lease),
          Payload: JSON.stringify(invocation),
        }),
        { abortSignal: gone.signal },
      );
      for await (const { PayloadChunk, InvokeComplete } of EventStream) {
        if (PayloadChunk?.Payload) frames.push(Buffer.from(PayloadChunk.Payload));
        if (!InvokeComplete?.ErrorCode) continue;
        const { ErrorCode, ErrorDetails } = InvokeComplete;
        log('warn', 'host-function-failed', {
          session: lease.sessionId,
          code: ErrorCode,
          details: ErrorDetails,
        });
        return end({ failure: `its function failed (${ErrorCode})` });
      }
      end({});
    } catch (error) {
      if (gone.signal.aborted) return end({});
      log('warn', 'host-not-invoked', { session: lease.sessionId, ...errorFields(error) });
      end({ error: refusalOf(error) });
    }
  }

  let rest = '';
  const frames = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      const lines = (rest + chunk.toString('utf8')).split('\n');
      rest = lines.pop() ?? '';
      (async () => {
        for (const line of lines) await say(JSON.parse(line) as ToHost);
      })().then(
        () => done(),
        (error: unknown) => {
          log('warn', 'host-not-told', errorFields(error));
          end({ error: refusalOf(error) });
          done();
        },
      );
    },
  });

  return {
    process: {
      stdio: [null, null, null, frames, Readable.from([])],
      kill() {
        if (isOver) return;
        // Nobody listens any more, which ends no invocation: the host has to be told.
        void post({ frame: { type: 'close' } }).catch(() => {});
        gone.abort();
        end({});
      },
      ended: ending.promise,
    },
    async claim(lease, stored) {
      const box = { tenant: lease.tenant, name: randomBytes(24).toString('base64url') };
      const reads = await Promise.all(
        (stored?.packs ?? []).map(
          async ({ name }) => [baseNameOf(name), await presigner.read(packKey(lease, name))] as const,
        ),
      );
      const names = new Map((stored?.packs ?? []).map(({ name }) => [baseNameOf(name), name]));
      const staged = new Map<string, string>();
      session = { lease, box, reads: Object.fromEntries(reads), names, staged };
      return {
        // Where a session is inside is the function's own affair.
        directory: { root: '/', config: '/', workspace: '/' },
        stage: async (key, name) => {
          staged.set(name, key);
          return true;
        },
        expect: (key, name) => void staged.set(name, key),
        spool: '',
        intake: uploadedPacks(options.objects),
      };
    },
  };
}

/** What the host says it has uploaded, as the store has it. */
function uploadedPacks(objects: Pick<ObjectStore, 'list'>): PackIntake {
  return {
    async take(key, bytes) {
      for await (const object of objects.list(key)) {
        if (object.key === key && object.bytes === bytes) return 'created';
      }
      throw new Conflict('host-failed', 'The pack that the host announced is not in the store.');
    },
  };
}

function refusalOf(cause: unknown): Refused {
  const name = cause instanceof Error ? cause.name : '';
  if (name === 'TooManyRequestsException') {
    return new Refused('workplace-busy', 'There are as many environments as there may be.', {
      cause,
      retryAfterMs: BUSY_RETRY_MS,
    });
  }
  return new Refused('host-not-started', 'The agent host could not be started.', { cause });
}
