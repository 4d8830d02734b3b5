// The one access token that all workers send with. It lies in the channel's notes, sealed with a key that is made of the
// app secret. Who finds it old claims the note and asks WeChat; all others wait for what that one writes. A claim is an
// economy, not a lock: `stable_token` gives everybody who asks the same token, so a second one who asks does no harm.
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes, randomUUID } from 'node:crypto';
import { z } from 'zod';
import { Refused } from '../../core/errors.ts';
import type { ChannelNotes, Clock } from '../../core/ports.ts';
import { wechatError } from './api-errors.ts';
import type { WechatHttp } from './http.ts';

export interface AccessTokenOptions {
  readonly appId: string;
  readonly appSecret: string;
  readonly call: WechatHttp['call'];
  readonly notes: ChannelNotes;
  readonly clock: Clock;
}

export interface AccessTokens {
  /** One that is valid for some minutes, as far as is known. */
  get(): Promise<string>;
  /** Another one than `refused`, which WeChat did not take. */
  renew(refused: string): Promise<string>;
}

interface Known {
  readonly token: string;
  readonly untilMs: number;
}

const noteSchema = z.object({
  sealed: z.string().nullable(),
  /** Who asks WeChat at the moment, and until when others wait for it. */
  claim: z.object({ owner: z.string(), untilMs: z.number() }).nullable(),
});
const sealedSchema = z.object({ token: z.string(), untilMs: z.number() });
const answerSchema = z.object({ access_token: z.string().min(1), expires_in: z.number().positive() });

/** Five minutes before the end WeChat has a new one for whoever asks; the old one stays valid until then. */
const MARGIN_MS = 280_000;
const CLAIM_MS = 15_000;
const LOOK_AGAIN_MS = 200;
const MAX_LOOKS = 150;
const KEEP_SEC = 2 * 3_600;

export function createAccessTokens(options: AccessTokenOptions): AccessTokens {
  const { appId, appSecret, call, notes, clock } = options;
  const name = `wechat/${appId}/access-token`;
  const owner = randomUUID();
  const box = sealedBox(appSecret, appId);
  let cached: Known | null = null;
  let running: Promise<string> | null = null;

  const isGood = (known: Known | null, refused: string | null): known is Known =>
    known !== null && known.token !== refused && known.untilMs - clock.now() > MARGIN_MS;

  async function ask(force: boolean): Promise<Known> {
    const body = {
      grant_type: 'client_credential',
      appid: appId,
      secret: appSecret,
      force_refresh: force,
    };
    const answer = await call('stable_token', {}, body, 'repeatable');
    const parsed = answerSchema.safeParse(answer);
    if (!parsed.success) throw wechatError(answer, 'stable_token');
    return { token: parsed.data.access_token, untilMs: clock.now() + parsed.data.expires_in * 1_000 };
  }

  /** Only a token that WeChat itself still hands out, and takes no more, is replaced by force: it may be done 20 times a day. */
  async function fetchToken(refused: string | null): Promise<Known> {
    const known = await ask(false);
    return known.token === refused ? await ask(true) : known;
  }

  async function refresh(refused: string | null): Promise<string> {
    for (let look = 0; look < MAX_LOOKS; look++) {
      const note = await notes.read(name);
      const { sealed, claim } = noteSchema.safeParse(note?.value).data ?? { sealed: null, claim: null };
      const shared = sealed === null ? null : box.open(sealed);
      if (isGood(shared, refused)) return use(shared);
      const isClaimed = claim !== null && claim.owner !== owner && claim.untilMs > clock.now();
      const over = note?.version ?? 0;
      const mine = { sealed, claim: { owner, untilMs: clock.now() + CLAIM_MS } };
      if (isClaimed || !(await notes.write(name, mine, { over, keepSec: KEEP_SEC }))) {
        await clock.sleep(LOOK_AGAIN_MS);
        continue;
      }
      const fetched = await fetchToken(refused).catch(async (error: unknown) => {
        await notes.write(name, { sealed, claim: null }, { over: over + 1, keepSec: KEEP_SEC });
        throw error;
      });
      const value = { sealed: box.seal(fetched), claim: null };
      await notes.write(name, value, { over: over + 1, keepSec: KEEP_SEC });
      return use(fetched);
    }
    throw new Refused('token-not-ready', 'Another worker asks WeChat for a token, and is not done.');
  }

  function use(known: Known): string {
    cached = known;
    return known.token;
  }

  /** In this process, too, one at a time. */
  function once(refused: string | null): Promise<string> {
    running ??= refresh(refused).finally(() => {
      running = null;
    });
    return running;
  }

  return {
    get: async () => (isGood(cached, null) ? cached.token : await once(null)),
    async renew(refused) {
      if (cached?.token === refused) cached = null;
      return isGood(cached, refused) ? cached.token : await once(refused);
    },
  };
}

/** AES-256-GCM. What cannot be opened (another secret, another app) is as if it were not there. */
function sealedBox(secret: string, appId: string) {
  const key = Buffer.from(hkdfSync('sha256', secret, appId, 'shared access token', 32));
  return {
    seal(known: Known): string {
      const iv = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', key, iv);
      const text = Buffer.concat([cipher.update(JSON.stringify(known), 'utf8'), cipher.final()]);
      return Buffer.concat([iv, cipher.getAuthTag(), text]).toString('base64');
    },
    open(sealed: string): Known | null {
      try {
        const bytes = Buffer.from(sealed, 'base64');
        const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12));
        decipher.setAuthTag(bytes.subarray(12, 28));
        const text = Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]).toString('utf8');
        return sealedSchema.parse(JSON.parse(text));
      } catch {
        return null;
      }
    },
  };
}
