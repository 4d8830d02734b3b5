// Where a secret is, never what it is: settings, registries and archives hold references only, and a secret is read by
// the program that uses it, at the moment it does. A value written where a reference belongs is refused, and not repeated
// in the error, since it may be the secret itself.
import { z } from 'zod';

/** `env:NAME`, `file:PATH`, `ssm:NAME` (Parameter Store) or `secret:NAME` (Secrets Manager). */
export type SecretReference = string & { readonly __brand: 'SecretReference' };

export type SecretSource = 'env' | 'file' | 'ssm' | 'secret';

const SHAPES: Readonly<Record<SecretSource, RegExp>> = {
  env: /^[A-Za-z_][A-Za-z0-9_]{0,127}$/,
  file: /^[^\0\r\n]{1,1024}$/,
  ssm: /^\/?[A-Za-z0-9_.-]+(?:\/[A-Za-z0-9_.-]+)*$/,
  secret: /^[A-Za-z0-9/_+=.@:-]{1,512}$/,
};

const RULE =
  'must say where the secret is, not what it is: env:NAME, file:PATH, ssm:NAME (Parameter Store) or secret:NAME (Secrets Manager)';

/** Both parts of a reference; null when it is none. */
export function partsOfReference(
  reference: string,
): { readonly source: SecretSource; readonly name: string } | null {
  const at = reference.indexOf(':');
  const source = reference.slice(0, at);
  const name = reference.slice(at + 1);
  if (at < 0 || !Object.hasOwn(SHAPES, source)) return null;
  return SHAPES[source as SecretSource].test(name) ? { source: source as SecretSource, name } : null;
}

export const secretReferenceSchema = z
  .string(RULE)
  .refine((text) => text.length <= 1_100 && partsOfReference(text) !== null, RULE)
  .transform((text) => text as SecretReference);
