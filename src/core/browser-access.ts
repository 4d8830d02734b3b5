// What lets browsers use the HTTP API: pages of which origins may call it, and who vouches for the people in front of
// them. Settings of the installation; a tenant may have an issuer of its own. Nobody is let in where nothing is set.
import { z } from 'zod';
import { secretReferenceSchema } from './secret-reference.ts';

const httpsOrLoopback = z
  .url({ protocol: /^https?$/ })
  .refine(
    (url) => /^https:|^http:\/\/(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::\d+)?\//.test(new URL(url).href),
    'must be https, or http on this machine',
  );

/** Who signs the tokens of people, and what they are checked with: public keys at an address, or a shared secret. */
const userTokenFields = {
  /** The `iss` of every token. */
  issuer: z.string().min(1).max(500),
  /** The `aud` of every token: a token that was made for another service opens nothing here. */
  audience: z.string().min(1).max(500),
  /** Address of the issuer's public keys (JWKS). */
  jwks: httpsOrLoopback.optional(),
  /** Where the shared secret is (HS256, at least 32 characters). The first valid one counts: two while it is changed. */
  secrets: z.array(secretReferenceSchema).min(1).max(3).optional(),
};

const oneProof = ({ jwks, secrets }: { jwks?: unknown; secrets?: unknown }) =>
  (jwks === undefined) !== (secrets === undefined);
const ONE_PROOF = 'needs either jwks or secrets';

export const userTokensSchema = z.strictObject(userTokenFields).refine(oneProof, ONE_PROOF);
export type UserTokens = z.infer<typeof userTokensSchema>;

const ORIGIN = /^https?:\/\/(?:\*\.)?[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::\d{1,5})?$/;

export const browserAccessSchema = z.strictObject({
  /** Pages of these origins may call: `https://app.example.com`, or `https://*.example.com` for every name below. */
  origins: z
    .array(z.string().regex(ORIGIN, 'must be an origin such as https://app.example.com, in small letters'))
    .max(100)
    .default([]),
  users: z
    .strictObject({
      ...userTokenFields,
      /** This issuer speaks for the tenants, too: the claim `tenant` says for which. */
      tenants: z.boolean().default(false),
    })
    .refine(oneProof, ONE_PROOF)
    .optional(),
});
export type BrowserAccess = z.infer<typeof browserAccessSchema>;
/** As written in settings. */
export type BrowserAccessSettings = z.input<typeof browserAccessSchema>;

export function isAllowedOrigin(origins: readonly string[], origin: string): boolean {
  return origins.some((allowed) => {
    const [scheme = '', name = ''] = allowed.split('://*.');
    if (name === '') return allowed === origin;
    const start = `${scheme}://`;
    // What stands for the star holds at least one label, and nothing that ends a host.
    const label = origin.slice(start.length, -(name.length + 1));
    return origin.startsWith(start) && origin.endsWith(`.${name}`) && /^[a-z0-9][a-z0-9.-]*$/.test(label);
  });
}
