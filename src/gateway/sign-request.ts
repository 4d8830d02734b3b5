// Signature Version 4 for a request whose body is in memory. The library is loaded with the first request that needs it.
import { once } from '../core/once.ts';
import type { AwsCredentials, OutgoingRequest } from './model-upstream.ts';

export interface SignerOptions {
  readonly credentials: AwsCredentials;
  readonly region: string;
  readonly service: string;
}

export type SignRequest = (request: OutgoingRequest) => Promise<Readonly<Record<string, string>>>;

/** Only these are signed of the agent's own headers: what a hop may change must not break the signature. */
const SIGNED = new Set(['content-type', 'anthropic-workspace-id', 'anthropic-version', 'anthropic-beta']);

/** Returns the headers to add; `host` is signed, so the request must go to the URL it was signed for. */
export function createSigner({ credentials, region, service }: SignerOptions): SignRequest {
  const load = once(async () => {
    const [{ SignatureV4 }, { Hash }] = await Promise.all([
      import('@smithy/signature-v4'),
      import('@smithy/core/serde'),
    ]);
    return new SignatureV4({ credentials, region, service, sha256: Hash.bind(null, 'sha256') });
  });
  return async ({ method, url, headers, body }) => {
    const signer = await load();
    const own = Object.fromEntries(Object.entries(headers).filter(([name]) => SIGNED.has(name)));
    const signed = await signer.sign({
      method,
      protocol: url.protocol,
      hostname: url.hostname,
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      headers: { ...own, host: url.host },
      body,
    });
    return Object.fromEntries(
      Object.entries(signed.headers).filter(
        ([name]) => name === 'authorization' || name.startsWith('x-amz-'),
      ),
    );
  };
}
