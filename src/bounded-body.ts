// Reads the body of a request, up to so many bytes and for so long. Every inlet reads bodies here: a length that is not
// said or not true, and a sender that stands still, cost no more than the limit.

interface BodyLimits {
  readonly maxBytes: number;
  readonly maxMs: number;
}

/** What is left of a refused body is not read. */
export async function readBody(
  request: Pick<Request, 'headers' | 'body'>,
  { maxBytes, maxMs }: BodyLimits,
): Promise<Uint8Array | 'too-large' | 'too-slow'> {
  if (Number(request.headers.get('content-length') ?? 0) > maxBytes) return 'too-large';
  const reader = request.body?.getReader();
  if (reader === undefined) return new Uint8Array();
  const late = Promise.withResolvers<'too-slow'>();
  const timer = setTimeout(() => late.resolve('too-slow'), maxMs);
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    for (;;) {
      const read = await Promise.race([reader.read(), late.promise]);
      if (read === 'too-slow') return read;
      if (read.done) return Buffer.concat(parts, length);
      length += read.value.length;
      if (length > maxBytes) return 'too-large';
      parts.push(read.value);
    }
  } finally {
    clearTimeout(timer);
    // Not waited for: a sender that stands still would hold this up, too.
    void reader.cancel().catch(() => {});
  }
}
