// What we ask of the WeChat API. A token that is not taken is replaced once, and the call made again: WeChat refuses before
// it does anything, so that is no repeat.
import { z } from 'zod';
import { type AccessTokenOptions, createAccessTokens } from './access-token.ts';
import { isTokenRefused, wechatError } from './api-errors.ts';
import type { CallKind, WechatHttp, WechatReply } from './http.ts';

/** Files that WeChat takes from an account. */
export type MediaKind = 'image' | 'voice';

export interface WechatApi {
  /** Counts against what may be sent to this person. */
  sendText(openId: string, text: string): Promise<void>;
  /** Counts against nothing. */
  sendTyping(openId: string): Promise<void>;
  /** Keeps a file for three days; resolves to its id. */
  uploadMedia(kind: MediaKind, file: UploadedMedia): Promise<string>;
  /** Counts like a text. */
  sendMedia(openId: string, kind: MediaKind, mediaId: string): Promise<void>;
  getMedia(mediaId: string, maxBytes: number): Promise<Uint8Array | 'too-large' | 'too-slow' | 'not-there'>;
}

export interface UploadedMedia {
  readonly name: string;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

export interface WechatApiOptions extends Omit<AccessTokenOptions, 'call'> {
  readonly http: WechatHttp;
}

const uploadedSchema = z.object({ media_id: z.string().min(1).max(256) });
const NO_SUCH_MEDIA = 40007;

export function createWechatApi({ http, ...options }: WechatApiOptions): WechatApi {
  const tokens = createAccessTokens({ ...options, call: http.call });

  async function withToken<T extends object>(
    attempt: (query: { readonly access_token: string }) => Promise<T | WechatReply>,
  ): Promise<T | WechatReply> {
    const token = await tokens.get();
    const answer = await attempt({ access_token: token });
    if (!('errcode' in answer) || !isTokenRefused(answer)) return answer;
    return await attempt({ access_token: await tokens.renew(token) });
  }

  async function ask(method: string, body: object, kind: CallKind): Promise<void> {
    const answer = await withToken((query) => http.call(method, query, body, kind));
    if (answer.errcode !== 0) throw wechatError(answer, method);
  }
  const send = (openId: string, msgtype: string, content: object) =>
    ask('message/custom/send', { touser: openId, msgtype, [msgtype]: content }, 'send');

  return {
    sendText: (openId, content) => send(openId, 'text', { content }),
    sendTyping: (openId) => ask('message/custom/typing', { touser: openId, command: 'Typing' }, 'repeatable'),
    sendMedia: (openId, kind, mediaId) => send(openId, kind, { media_id: mediaId }),
    async uploadMedia(type, { name, mediaType, bytes }) {
      const form = new FormData();
      form.set('media', new Blob([Buffer.from(bytes)], { type: mediaType }), name);
      const answer = await withToken((query) => http.upload('media/upload', { ...query, type }, form));
      const uploaded = uploadedSchema.safeParse(answer);
      if (!uploaded.success) throw wechatError(answer, 'media/upload');
      return uploaded.data.media_id;
    },
    async getMedia(mediaId, maxBytes) {
      const ids = { media_id: mediaId };
      const answer = await withToken((query) => http.download('media/get', { ...query, ...ids }, maxBytes));
      if (!('errcode' in answer)) return answer.body;
      if (answer.errcode === NO_SUCH_MEDIA) return 'not-there';
      throw wechatError(answer, 'media/get');
    },
  };
}
