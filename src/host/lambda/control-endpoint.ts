// Where a host hears its worker: `GET /control?after=N&waitMs=M` with its token. It reads one mailbox and can do nothing else.
import type { Clock } from '../../core/ports/clock.ts';
import { readControlToken } from './control-token.ts';
import { CONTROL_PATH, MAX_CONTROL_WAIT_MS, type News } from './invocation.ts';
import type { Mailbox } from './mailbox.ts';

export interface ControlEndpointOptions {
  readonly mailbox: Mailbox;
  /** The newest first; older ones are still taken. */
  readonly secrets: readonly Uint8Array[];
  readonly clock: Clock;
}

/** null for a request that is not meant for it. */
export function createControlEndpoint({ mailbox, secrets, clock }: ControlEndpointOptions) {
  return async (request: Request): Promise<Response | null> => {
    const url = new URL(request.url);
    if (request.method !== 'GET' || url.pathname !== CONTROL_PATH) return null;
    const token = request.headers.get('authorization')?.replace(/^Bearer /, '') ?? '';
    const grant = readControlToken(secrets, token, clock.now());
    if (!grant) return Response.json({ error: 'This token is not valid (any more).' }, { status: 401 });
    const after = whole(url.searchParams.get('after'));
    const waitMs = Math.min(MAX_CONTROL_WAIT_MS, whole(url.searchParams.get('waitMs')));
    const messages = await mailbox.read(grant.box, after, waitMs);
    return Response.json({ messages: [...messages] } satisfies News, {
      headers: { 'cache-control': 'no-store' },
    });
  };
}

function whole(text: string | null): number {
  return /^\d{1,9}$/.test(text ?? '') ? Number(text) : 0;
}
