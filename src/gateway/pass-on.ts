// An answer of the model on its way to the agent: each piece goes on as it comes, and is counted while it passes.
import { pipeline, type Readable, Transform } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { type Answer, answerHeaders } from './call.ts';
import type { UpstreamAnswer } from './send-upstream.ts';
import { createUsageMeter, type MeteredUsage } from './usage-meter.ts';

/**
 * `end` is called once, however the answer ends; with null when it was no message. `broke`: the model's side broke it off, or
 * told of an error in the midst of it; not true where the agent hung up.
 */
export function passOn(
  { message, heard }: UpstreamAnswer,
  end: (metered: MeteredUsage | null, broke: boolean) => void,
): Answer {
  const status = message.statusCode ?? 502;
  const meter = createUsageMeter(String(message.headers['content-type'] ?? ''));
  const tap = new Transform({
    transform(piece: Buffer, _encoding, done) {
      heard();
      meter.push(piece);
      done(null, piece);
    },
  });
  const decoder = decoderOf(message.headers['content-encoding']);
  let isCutOff = false;
  message.once('error', () => {
    isCutOff = !tap.destroyed;
  });
  const finished = (): void =>
    end(status < 300 ? meter.end() : null, status < 300 && (isCutOff || meter.failed()));
  if (decoder) pipeline(message, decoder, tap, () => {});
  else pipeline(message, tap, () => {});
  tap.once('close', finished);
  return { status, headers: answerHeaders(message.headers, decoder !== null), body: tap as Readable };
}

function decoderOf(encoding: string | undefined): Transform | null {
  switch (encoding) {
    case 'gzip':
      return createGunzip();
    case 'br':
      return createBrotliDecompress();
    case 'deflate':
      return createInflate();
    default:
      return null;
  }
}
