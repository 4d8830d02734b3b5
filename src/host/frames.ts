// JSON frames, one a line, over any byte stream.
import type { Readable, Writable } from 'node:stream';
import { Invalid } from '../core/errors.ts';
import { MAX_FRAME_BYTES } from './protocol.ts';

const NEWLINE = 0x0a;

/**
 * The frames of a stream in order, as `parse` returns them. Invalid('bad-frame') for what is no frame: nothing after it
 * can be trusted.
 */
export async function* readFrames<T>(
  stream: Readable,
  parse: (value: unknown) => T,
): AsyncGenerator<T, void, undefined> {
  let pieces: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    let rest = chunk;
    for (let at = rest.indexOf(NEWLINE); at !== -1; at = rest.indexOf(NEWLINE)) {
      pieces.push(rest.subarray(0, at));
      rest = rest.subarray(at + 1);
      if (bytes + at > MAX_FRAME_BYTES) throw tooLong();
      yield parse(parsed(Buffer.concat(pieces)));
      pieces = [];
      bytes = 0;
    }
    pieces.push(rest);
    bytes += rest.length;
    if (bytes > MAX_FRAME_BYTES) throw tooLong();
  }
}

/** False when the stream is full: more should wait until it has drained. */
export function writeFrame(stream: Writable, frame: object): boolean {
  return stream.writable ? stream.write(`${JSON.stringify(frame)}\n`) : true;
}

function parsed(line: Buffer): unknown {
  try {
    return JSON.parse(line.toString('utf8'));
  } catch (cause) {
    throw new Invalid('bad-frame', 'The other side sent what is no JSON.', { cause });
  }
}

function tooLong(): Invalid {
  return new Invalid('bad-frame', `The other side sent a frame of over ${MAX_FRAME_BYTES} bytes.`);
}
