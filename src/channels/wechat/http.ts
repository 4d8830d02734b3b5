// One call to the WeChat API: JSON out, JSON back, and every failure as one of the error families.
import { z } from 'zod';
import { noAnswer } from './api-errors.ts';

export type WechatCall = (
  method: string,
  query: Readonly<Record<string, string>>,
  body: object,
  kind: 'repeatable' | 'send',
) => Promise<Readonly<Record<string, unknown>> & { readonly errcode: number; readonly errmsg: string }>;

const answerSchema = z.looseObject({ errcode: z.number().default(0), errmsg: z.string().default('') });

/** Resolves to what WeChat answered, refusals included. */
export function createWechatCall({
  apiRoot,
  timeoutMs = 10_000,
}: {
  readonly apiRoot: string;
  readonly timeoutMs?: number;
}): WechatCall {
  const root = apiRoot.replace(/\/+$/, '');
  return async (method, query, body, kind) => {
    try {
      const response = await fetch(`${root}/cgi-bin/${method}?${new URLSearchParams(query)}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json; charset=utf-8' },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(timeoutMs),
        redirect: 'error',
      });
      return answerSchema.parse(await response.json());
    } catch (error) {
      throw noAnswer(error, method, kind);
    }
  };
}
