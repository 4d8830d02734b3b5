// Calls to the WeChat API: every failure is one of the error families, and resolves to what WeChat answered otherwise,
// refusals included.
import { z } from 'zod';
import { readBody } from '../../bounded-body.ts';
import { noAnswer } from './api-errors.ts';

export type WechatReply = Readonly<Record<string, unknown>> & {
  readonly errcode: number;
  readonly errmsg: string;
};

/** `repeatable`: doing it twice is doing it once. */
export type CallKind = 'repeatable' | 'send';

type Query = Readonly<Record<string, string>>;

export interface WechatHttp {
  /** JSON out, JSON back. */
  call(method: string, query: Query, body: object, kind: CallKind): Promise<WechatReply>;
  /** A form with a file. */
  upload(method: string, query: Query, form: FormData): Promise<WechatReply>;
  /** Bytes; or JSON that says why there are none. */
  download(method: string, query: Query, maxBytes: number): Promise<Downloaded>;
}

export type Downloaded = { readonly body: Uint8Array | 'too-large' | 'too-slow' } | WechatReply;

const answerSchema = z.looseObject({ errcode: z.number().default(0), errmsg: z.string().default('') });

const MEDIA_MS = 60_000;

export function createWechatHttp({
  apiRoot,
  timeoutMs = 10_000,
}: {
  readonly apiRoot: string;
  readonly timeoutMs?: number;
}): WechatHttp {
  const root = apiRoot.replace(/\/+$/, '');

  async function ask<T>(
    method: string,
    query: Query,
    init: RequestInit,
    kind: CallKind,
    read: (response: Response) => Promise<T>,
  ): Promise<T> {
    try {
      const url = `${root}/cgi-bin/${method}?${new URLSearchParams(query)}`;
      return await read(await fetch(url, { redirect: 'error', ...init }));
    } catch (error) {
      throw noAnswer(error, method, kind);
    }
  }
  const json = async (response: Response): Promise<WechatReply> => answerSchema.parse(await response.json());

  return {
    async call(method, query, body, kind) {
      const init = {
        method: 'POST',
        headers: { 'content-type': 'application/json; charset=utf-8' },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(timeoutMs),
      };
      return await ask(method, query, init, kind, json);
    },
    async upload(method, query, form) {
      const init = { method: 'POST', body: form, signal: AbortSignal.timeout(MEDIA_MS) };
      return await ask(method, query, init, 'repeatable', json);
    },
    async download(method, query, maxBytes) {
      const init = { signal: AbortSignal.timeout(MEDIA_MS) };
      return await ask<Downloaded>(method, query, init, 'repeatable', async (response) => {
        // Refusals and the address of a film are JSON (or text that is), whatever their status.
        if (/json|text\/plain/.test(response.headers.get('content-type') ?? '')) return await json(response);
        if (!response.ok) throw new Error(`HTTP ${response.status}`);
        return { body: await readBody(response, { maxBytes, maxMs: MEDIA_MS }) };
      });
    },
  };
}
