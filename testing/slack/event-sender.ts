// Calls the app as Slack does: signed, with its retry headers, three times more where nobody answers with a 2xx. The pauses
// between them are short here; Slack waits nothing, a minute and five minutes.
import { createHmac } from 'node:crypto';

export interface EventSender {
  /** Where the app listens. */
  subscribe(url: string | null): void;
  /** Resolves to the answers, the last one first to succeed; empty where nobody listens. */
  send(body: string, contentType: string, options?: { once?: boolean }): Promise<readonly SentResult[]>;
}

export interface SentResult {
  /** 0: no answer came. */
  readonly status: number;
  readonly body: string;
}

const RETRY_AFTER_MS = [0, 20, 50];

export function createEventSender(signingSecret: () => string, now: () => number = Date.now): EventSender {
  let url: string | null = null;
  return {
    subscribe(next) {
      url = next;
    },
    async send(body, contentType, { once = false } = {}) {
      const results: SentResult[] = [];
      for (let attempt = 0; attempt <= (once ? 0 : RETRY_AFTER_MS.length) && url !== null; attempt++) {
        if (attempt > 0) await new Promise((resolve) => setTimeout(resolve, RETRY_AFTER_MS[attempt - 1]));
        const headers = {
          ...signedHeaders(body, signingSecret(), now()),
          'content-type': contentType,
          ...(attempt > 0 && {
            'x-slack-retry-num': String(attempt),
            'x-slack-retry-reason': results.at(-1)?.status ? 'http_error' : 'connection_failed',
          }),
        };
        results.push(await post(url, body, headers));
        const { status = 0 } = results.at(-1) ?? {};
        if (status >= 200 && status < 300) break;
      }
      return results;
    },
  };
}

export function signedHeaders(body: string, secret: string, nowMs: number): Record<string, string> {
  const timestamp = String(Math.floor(nowMs / 1_000));
  const digest = createHmac('sha256', secret).update(`v0:${timestamp}:${body}`).digest('hex');
  return { 'x-slack-request-timestamp': timestamp, 'x-slack-signature': `v0=${digest}` };
}

async function post(url: string, body: string, headers: Record<string, string>): Promise<SentResult> {
  try {
    const response = await fetch(url, { method: 'POST', body, headers });
    return { status: response.status, body: await response.text() };
  } catch {
    return { status: 0, body: '' };
  }
}
