// What we ask of the WeChat API. A token that is not taken is replaced once, and the call made again: WeChat refuses before
// it does anything, so that is no repeat.

import { type AccessTokenOptions, createAccessTokens } from './access-token.ts';
import { isTokenRefused, wechatError } from './api-errors.ts';

export interface WechatApi {
  /** Counts against what may be sent to this person. */
  sendText(openId: string, text: string): Promise<void>;
  /** Counts against nothing. */
  sendTyping(openId: string): Promise<void>;
}

export function createWechatApi(options: AccessTokenOptions): WechatApi {
  const tokens = createAccessTokens(options);

  async function ask(method: string, body: object, kind: 'repeatable' | 'send'): Promise<void> {
    const token = await tokens.get();
    let answer = await options.call(method, { access_token: token }, body, kind);
    if (isTokenRefused(answer)) {
      const renewed = await tokens.renew(token);
      answer = await options.call(method, { access_token: renewed }, body, kind);
    }
    if (answer.errcode !== 0) throw wechatError(answer, method);
  }

  return {
    sendText: (openId, text) =>
      ask('message/custom/send', { touser: openId, msgtype: 'text', text: { content: text } }, 'send'),
    sendTyping: (openId) => ask('message/custom/typing', { touser: openId, command: 'Typing' }, 'repeatable'),
  };
}
