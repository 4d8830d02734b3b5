// Access tokens as `stable_token` hands them out: the same to everybody who asks, for two hours; a new one from five minutes
// before the end, while the old one stays valid; by force at once, and the old one is not valid any more.
import { randomBytes } from 'node:crypto';

interface Issued {
  readonly token: string;
  readonly untilMs: number;
}

type Answer = Readonly<Record<string, unknown>> & { readonly errcode: number };

const LIFE_MS = 7_200_000;
const OVERLAP_MS = 300_000;
const FORCED_PER_DAY = 20;
const FORCED_APART_MS = 30_000;

export function createTokens(
  account: { readonly appId: string; readonly appSecret: string },
  clock: { now(): number },
) {
  let current: Issued | null = null;
  let valid: Issued[] = [];
  let ended = new Set<string>();
  let forcedAt: number[] = [];

  function issue(): Issued {
    const issued = { token: `tok_${randomBytes(24).toString('hex')}`, untilMs: clock.now() + LIFE_MS };
    valid = [...valid, issued];
    current = issued;
    return issued;
  }

  function answer(issued: Issued): Answer {
    const expiresIn = Math.floor((issued.untilMs - clock.now()) / 1_000);
    return { errcode: 0, access_token: issued.token, expires_in: expiresIn };
  }

  return {
    stable(body: Readonly<Record<string, unknown>>): Answer {
      if (body.grant_type !== 'client_credential') return { errcode: 40002, errmsg: 'invalid grant_type' };
      if (body.appid !== account.appId) return { errcode: 40013, errmsg: 'invalid appid' };
      if (body.secret !== account.appSecret) return { errcode: 40125, errmsg: 'invalid appsecret' };
      const nowMs = clock.now();
      const isFresh = current !== null && current.untilMs - nowMs > OVERLAP_MS;
      if (body.force_refresh !== true) return answer(isFresh && current ? current : issue());
      forcedAt = forcedAt.filter((atMs) => nowMs - atMs < 24 * 3_600_000);
      if (forcedAt.length >= FORCED_PER_DAY)
        return { errcode: 45009, errmsg: 'reach max api daily quota limit' };
      // Too soon after the last time: the same one again.
      if (current && nowMs - (forcedAt.at(-1) ?? 0) < FORCED_APART_MS) return answer(current);
      forcedAt.push(nowMs);
      valid = [];
      return answer(issue());
    },
    /** null: it is taken. */
    check(token: string | null): Answer | null {
      if (token === null || token === '') return { errcode: 41001, errmsg: 'access_token missing' };
      const known = valid.find((one) => one.token === token);
      if (known && known.untilMs > clock.now()) return null;
      if (known) ended.add(token);
      return ended.has(token)
        ? { errcode: 42001, errmsg: 'access_token expired' }
        : { errcode: 40001, errmsg: 'invalid credential, access_token is invalid or not latest' };
    },
    forget(): void {
      valid = [];
      ended = new Set();
    },
  };
}
