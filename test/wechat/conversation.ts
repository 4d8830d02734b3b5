// One person and one account: the real ledger in memory, the real channel, the fake WeChat, and a clock that stands still. A
// turn is written, committed and delivered by hand, so that a test says what happens between.
import { onTestFinished } from 'vitest';
import { createWechatChannel } from '../../src/channels/wechat/channel.ts';
import { deliverReply, sendContext } from '../../src/core/delivery.ts';
import { Gone } from '../../src/core/errors.ts';
import { silentLog } from '../../src/core/log.ts';
import { type TurnRequest, turnRequest } from '../../src/core/messages.ts';
import type { BeginResult } from '../../src/core/ports.ts';
import type { Reply } from '../../src/core/records.ts';
import { createMemoryNotes, createMemorySessionStore } from '../../src/stores/memory/index.ts';
import { createManualClock } from '../../testing/clock.ts';
import { begin, commitOf, RETENTION_SEC } from '../../testing/contracts/session-store-steps.ts';
import { startFakeWechat } from '../../testing/wechat/fake-wechat.ts';

export const ANNA = 'oAnna-6_follower';

export async function startConversation() {
  const clock = createManualClock();
  const wechat = await startFakeWechat({ clock });
  const store = createMemorySessionStore({ clock });
  const notes = createMemoryNotes({ clock });
  const { appId, appSecret } = wechat.account;
  const open = () =>
    createWechatChannel({ appId, appSecret, apiRoot: wechat.apiRoot, notes, clock, timeoutMs: 2_000 });
  onTestFinished(() => wechat.close());
  let messages = 0;
  /** What is kept of replies, by object. */
  const files = new Map<string, Uint8Array>();
  let channel = open();

  /** The person writes: their quota begins anew. Nobody answers the callback here, the ledger has it all the same. */
  async function write(text: string, options: { press?: boolean } = {}): Promise<TurnRequest> {
    await clock.advance(1_000);
    if (options.press) await wechat.click(ANNA, text);
    else await wechat.say(ANNA, text);
    messages += 1;
    const request = turnRequest({
      conversation: { tenant: 'acme', channel: 'wechat', bot: appId, chat: ANNA, thread: null },
      dedupeId: `${appId}:${messages}`,
      text,
      sender: { id: ANNA, name: null },
      replyTarget: { openId: ANNA, allowance: options.press ? 3 : 5 },
      receivedAtMs: clock.now(),
    });
    await store.accept(request, RETENTION_SEC);
    return request;
  }

  /** Delivers as the worker does, moving the clock on while it waits; closes the turn unless it is to be tried again. */
  async function deliver(begun: BeginResult, request: TurnRequest) {
    const turn = await store.getTurn(begun.lease.tenant, request.turnId);
    if (!turn) throw new Error('No such turn.');
    const objects = {
      async *stream(key: string) {
        const bytes = files.get(key.replace(/^acme\/files\//, ''));
        if (!bytes) throw new Gone('no-object', 'It is not kept any more.');
        yield bytes;
      },
    };
    const deps = { store, clock, log: silentLog, objects: objects as never };
    let outcome: Awaited<ReturnType<typeof deliverReply>> | undefined;
    const running = deliverReply(deps, channel, begun.lease, request, turn).then((done) => {
      outcome = done;
    });
    running.catch(() => {});
    while (outcome === undefined) {
      await new Promise((resolve) => setImmediate(resolve));
      if (clock.sleepers > 0) await clock.advance(1_000);
    }
    await running;
    if (typeof outcome === 'object') return outcome;
    await store.settle(begun.lease, request.turnId, outcome === 'delivered' ? 'delivered' : 'undeliverable');
    await store.release(begun.lease);
    return outcome;
  }

  async function commit(request: TurnRequest, reply: string | Reply) {
    const begun = await begin(store, request, { leaseMs: 10 * 24 * 3_600_000 });
    const said: Reply = typeof reply === 'string' ? { text: reply, outcome: 'ok' } : reply;
    await store.commit(commitOf(begun, { reply: { ...said, fixedAtMs: clock.now() } }));
    return begun;
  }

  return {
    clock,
    wechat,
    store,
    notes,
    files,
    write,
    commit,
    deliver,
    /** Another worker, that remembers nothing. */
    restart() {
      channel = open();
    },
    get channel() {
      return channel;
    },
    async answer(request: TurnRequest, reply: string | Reply) {
      return await deliver(await commit(request, reply), request);
    },
    async context(request: TurnRequest) {
      const begun = await begin(store, request);
      return sendContext(store, begun.lease, request, begun.turn);
    },
    async statusOf({ turnId }: TurnRequest) {
      return (await store.getTurn('acme' as never, turnId))?.status;
    },
    /** What the person sees of us: WeChat's own complaint that nobody answers its callback is left out. */
    seen: () => wechat.chat(ANNA).filter((text) => !text.startsWith('该公众号')),
  };
}
