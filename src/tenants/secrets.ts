// Reads what references point to, when it is used. Values are remembered for a minute: a changed secret is in use after
// that, with no restart. They are never logged, and no error holds one.
import { readFile, stat } from 'node:fs/promises';
import { Invalid, isHybridError } from '../core/errors.ts';
import type { Clock } from '../core/ports.ts';
import { partsOfReference, type SecretReference } from '../core/secret-reference.ts';

export interface SecretSources {
  readonly variable: (name: string) => string | undefined | Promise<string | undefined>;
  /** Values of parameters by name; a name below /aws/reference/secretsmanager/ is a secret of Secrets Manager. */
  readonly parameters: (names: readonly string[]) => Promise<ReadonlyMap<string, string>>;
  /** Where `file:` may not be read: on a machine that other people's functions run on. */
  readonly files?: boolean;
  readonly clock: Pick<Clock, 'now'>;
}

export interface SecretReader {
  /** Throws `Invalid('no-secret')` that names the reference. */
  read(reference: SecretReference): Promise<string>;
  /** After a value was refused by whoever it is for: read it anew next time. */
  forget(): void;
}

const REMEMBERED_MS = 60_000;
const MAX_BYTES = 64 * 1024;

export function createSecretReader(sources: SecretSources): SecretReader {
  const known = new Map<SecretReference, { readonly value: Promise<string>; readonly untilMs: number }>();

  async function fresh(reference: SecretReference): Promise<string> {
    const parts = partsOfReference(reference);
    const value = parts && (await secretAt(sources, parts.source, parts.name).catch(explain(reference)));
    if (value) return value;
    throw noSecret(reference, 'it is empty');
  }

  return {
    read(reference) {
      const before = known.get(reference);
      if (before && before.untilMs > sources.clock.now()) return before.value;
      const value = fresh(reference);
      known.set(reference, { value, untilMs: sources.clock.now() + REMEMBERED_MS });
      value.catch(() => {
        if (known.get(reference)?.value === value) known.delete(reference);
      });
      return value;
    },
    forget: () => known.clear(),
  };
}

async function secretAt(
  { variable, parameters, files = true }: SecretSources,
  source: string,
  name: string,
): Promise<string | undefined> {
  switch (source) {
    case 'env':
      return await variable(name);
    case 'file':
      if (!files) return undefined;
      if ((await stat(name)).size > MAX_BYTES) return undefined;
      // Editors and `echo` end a file with a line break that is no part of the secret.
      return (await readFile(name, 'utf8')).replace(/\r?\n$/, '');
    case 'ssm':
      return (await parameters([name])).get(name);
    default: {
      const path = `/aws/reference/secretsmanager/${name}`;
      return (await parameters([path])).get(path);
    }
  }
}

/** What cannot be reached just now is passed on as it is; all else is a fault of the reference. */
function explain(reference: SecretReference) {
  return (error: unknown): never => {
    if (isHybridError(error)) throw error;
    throw noSecret(reference, (error as NodeJS.ErrnoException).code ?? 'it cannot be read');
  };
}

function noSecret(reference: SecretReference, why: string): Invalid {
  return new Invalid('no-secret', `There is no secret at ${reference}: ${why}.`, {
    advice: 'Put it there, or change the reference with `hybrid-sessions tenants set`.',
  });
}
