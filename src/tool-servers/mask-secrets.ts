// A server may repeat what it was sent ("invalid token ghp_..."). On the way to the agent each such place is filled with
// asterisks, as many bytes as it had. What could be the beginning of a secret waits for the next piece; all else goes on at once.
import { Transform } from 'node:stream';

/** Shorter ones would mask words of ordinary text. */
const MIN_BYTES = 6;

export function maskSecrets(values: readonly string[]): Transform {
  const secrets = values.map((value) => Buffer.from(value)).filter(({ length }) => length >= MIN_BYTES);
  let held: Buffer = Buffer.alloc(0);
  return new Transform({
    transform(piece: Buffer, _encoding, done) {
      const bytes = Buffer.concat([held, piece]);
      for (const secret of secrets) {
        for (let at = bytes.indexOf(secret); at >= 0; at = bytes.indexOf(secret, at + secret.length)) {
          bytes.fill('*', at, at + secret.length);
        }
      }
      const keep = Math.max(0, ...secrets.map((secret) => beginningAtEnd(bytes, secret)));
      held = bytes.subarray(bytes.length - keep);
      done(null, bytes.subarray(0, bytes.length - keep));
    },
    flush(done) {
      done(null, held);
    },
  });
}

/** How many bytes at the end are the beginning of the secret. */
function beginningAtEnd(bytes: Buffer, secret: Buffer): number {
  for (let length = Math.min(secret.length - 1, bytes.length); length > 0; length--) {
    if (bytes.subarray(bytes.length - length).equals(secret.subarray(0, length))) return length;
  }
  return 0;
}
