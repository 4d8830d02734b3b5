// The payloads of a stream, each as one JSON text: of server-sent events, or of Amazon's event stream. Both take pieces as
// the network cuts them, and hold back no more than one unfinished event.
import { StringDecoder } from 'node:string_decoder';

export type EventReader = (piece: Buffer) => readonly string[];

/** A longer line is none of an API's events; the rest of it is passed over. */
const MAX_LINE = 16 * 1024 * 1024;

export function createSseReader(): EventReader {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  return (piece) => {
    const lines = (rest + decoder.write(piece)).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > MAX_LINE) rest = '';
    return lines.flatMap((line) => (line.startsWith('data:') ? [line.slice(5).trim()] : []));
  };
}

/** Length, length of headers, checksum of both. */
const PRELUDE_BYTES = 12;
const CHECKSUM_BYTES = 4;
const MAX_FRAME_BYTES = 24 * 1024 * 1024;

/**
 * `application/vnd.amazon.eventstream`: frames whose payload is JSON with the event in base64. Checksums are not looked
 * at: what passes here is only counted.
 */
export function createAwsEventReader(): EventReader {
  let rest: Buffer = Buffer.alloc(0);
  let isBroken = false;
  return (piece) => {
    if (isBroken) return [];
    rest = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
    const found: string[] = [];
    while (rest.length >= PRELUDE_BYTES) {
      const frameBytes = rest.readUInt32BE(0);
      const headerBytes = rest.readUInt32BE(4);
      isBroken = frameBytes > MAX_FRAME_BYTES || frameBytes < PRELUDE_BYTES + headerBytes + CHECKSUM_BYTES;
      if (isBroken) return found;
      if (rest.length < frameBytes) break;
      const payload = rest.subarray(PRELUDE_BYTES + headerBytes, frameBytes - CHECKSUM_BYTES);
      const event = eventIn(payload.toString('utf8'));
      if (event !== null) found.push(event);
      rest = rest.subarray(frameBytes);
    }
    return found;
  };
}

function eventIn(payload: string): string | null {
  try {
    const { bytes } = JSON.parse(payload) as { readonly bytes?: unknown };
    return typeof bytes === 'string' ? Buffer.from(bytes, 'base64').toString('utf8') : null;
  } catch {
    return null;
  }
}
