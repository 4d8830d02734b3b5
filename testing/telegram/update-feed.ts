// The updates of one fake bot: kept until confirmed, handed out by long polling or pushed to a webhook, in order. A
// webhook that does not answer 2xx gets the same update again, and later ones wait behind it.
import { BotApiError, badRequest } from './bot-api-error.ts';

interface FakeUpdate {
  readonly update_id: number;
  readonly [field: string]: unknown;
}

interface WebhookState {
  readonly url: string;
  readonly secret: string | null;
  readonly lastError: string | null;
}

export interface UpdateFeed {
  readonly pending: readonly FakeUpdate[];
  readonly webhook: WebhookState;
  /** Long polls that wait for an update now. */
  readonly waitingPolls: number;
  add(update: FakeUpdate): void;
  /** Hands an old update out once more: from the poll queue, or pushed at once beside whatever is on its way. */
  redeliver(updateId: number): Promise<void>;
  poll(
    query: { offset?: number; limit?: number; timeout?: number },
    gone: AbortSignal,
  ): Promise<readonly FakeUpdate[]>;
  setWebhook(url: string, secret: string | null, allowed: readonly string[] | null): void;
  deleteWebhook(dropPending: boolean): void;
  close(): void;
}

export interface UpdateFeedOptions {
  readonly webhookRetryMs: number;
  /** Carries out a Bot API method given in a webhook's answer. */
  readonly onWebhookReply: (method: string, payload: Record<string, unknown>) => void;
}

export function createUpdateFeed(options: UpdateFeedOptions): UpdateFeed {
  const known = new Map<number, FakeUpdate>();
  let pending: FakeUpdate[] = [];
  let webhook: WebhookState = { url: '', secret: null, lastError: null };
  let allowed: readonly string[] | null = null;
  let pushing = false;
  let supersede: ((error: Error) => void) | null = null;
  const waiting = new Set<() => void>();
  const closed = new AbortController();

  async function post(update: FakeUpdate): Promise<boolean> {
    const { url, secret } = webhook;
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(secret === null ? {} : { 'x-telegram-bot-api-secret-token': secret }),
        },
        body: JSON.stringify(update),
        signal: closed.signal,
      });
      const body = await response.text();
      if (!response.ok)
        throw new Error(`Wrong response from the webhook: ${response.status} ${response.statusText}`);
      const reply = body.startsWith('{') ? (JSON.parse(body) as Record<string, unknown>) : {};
      if (typeof reply.method === 'string') options.onWebhookReply(reply.method, reply);
      return true;
    } catch (error) {
      webhook = { ...webhook, lastError: error instanceof Error ? error.message : String(error) };
      return false;
    }
  }

  async function push(): Promise<void> {
    if (pushing) return;
    pushing = true;
    while (webhook.url !== '' && pending.length > 0 && !closed.signal.aborted) {
      const next = pending[0] as FakeUpdate;
      if (await post(next)) pending = pending.filter((update) => update !== next);
      else await new Promise((resolve) => setTimeout(resolve, options.webhookRetryMs));
    }
    pushing = false;
  }

  function arrived(): void {
    for (const wake of waiting) wake();
    void push();
  }

  /** Sleeps until an update arrives, the time is over, the client is gone, or another poll takes its place. */
  function waitForNews(seconds: number, gone: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const finish = () => {
        clearTimeout(timer);
        waiting.delete(finish);
        supersede = null;
        gone.removeEventListener('abort', finish);
        resolve();
      };
      const timer = setTimeout(finish, seconds * 1_000);
      waiting.add(finish);
      gone.addEventListener('abort', finish, { once: true });
      supersede = (error) => {
        reject(error);
        finish();
      };
    });
  }

  return {
    get pending() {
      return pending;
    },
    get webhook() {
      return webhook;
    },
    get waitingPolls() {
      return waiting.size;
    },
    add(update) {
      known.set(update.update_id, update);
      if (allowed && !allowed.some((type) => type in update)) return;
      pending.push(update);
      arrived();
    },
    async redeliver(updateId) {
      const update = known.get(updateId);
      if (!update) throw new Error(`No update ${updateId} was ever sent.`);
      if (webhook.url !== '') {
        await post(update);
        return;
      }
      if (pending.includes(update)) return;
      pending = [update, ...pending].sort((a, b) => a.update_id - b.update_id);
      arrived();
    },
    async poll({ offset, limit = 100, timeout = 0 }, gone) {
      if (webhook.url !== '') {
        throw new BotApiError(
          409,
          "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first",
        );
      }
      supersede?.(
        new BotApiError(
          409,
          'Conflict: terminated by other getUpdates request; make sure that only one bot instance is running',
        ),
      );
      if (offset !== undefined && offset > 0)
        pending = pending.filter((update) => update.update_id >= offset);
      if (pending.length === 0 && timeout > 0) await waitForNews(timeout, gone);
      return gone.aborted ? [] : pending.slice(0, Math.min(limit, 100));
    },
    setWebhook(url, secret, types) {
      const address = URL.parse(url);
      const isLoopback = address?.hostname === '127.0.0.1' || address?.hostname === 'localhost';
      if (!address || (address.protocol !== 'https:' && !isLoopback)) {
        throw badRequest('bad webhook: An HTTPS URL must be provided for webhook');
      }
      webhook = { url, secret, lastError: null };
      if (types) allowed = types.length > 0 ? types : null;
      void push();
    },
    deleteWebhook(dropPending) {
      webhook = { url: '', secret: null, lastError: null };
      if (dropPending) pending = [];
    },
    close() {
      closed.abort();
      for (const wake of waiting) wake();
    },
  };
}
