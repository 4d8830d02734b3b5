// The keys of the API on AWS: one parameter, with one key or several between spaces or line breaks. It is read again every minute, so
// a key that is put in is taken, and one that is taken out is refused, within a minute and without a deployment.
import { isHybridError, Refused } from '../core/errors.ts';
import type { SecretReference } from '../core/secret-reference.ts';
import type { SecretReader } from '../tenants/secrets.ts';

/** A key that is shorter could be guessed, and is none. */
const MIN_LENGTH = 16;

export function createParameterKeys(
  secrets: Pick<SecretReader, 'read'>,
  parameter: string,
): () => Promise<readonly string[]> {
  const reference = `ssm:${parameter}` as SecretReference;
  return async () => {
    const value = await secrets.read(reference).catch((error: unknown) => {
      // Whether the caller's key is good is not known: no 401, which would have them throw it away.
      const cause = isHybridError(error) ? error : undefined;
      throw new Refused('keys-unreadable', 'The keys of this API cannot be read now.', { cause });
    });
    return value.split(/\s+/).filter((key) => key.length >= MIN_LENGTH);
  };
}
