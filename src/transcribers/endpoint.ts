// A transcriber at an address: OpenAI's, or any server that speaks the same (POST /audio/transcriptions, multipart). The key is
// read when it is used, and goes to this address and nowhere else.
// https://platform.openai.com/docs/api-reference/audio/createTranscription (read 2026-11)
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { readBody } from '../bounded-body.ts';
import { backoffAfterMs } from '../core/backoff.ts';
import { Ambiguous, Invalid, Refused } from '../core/errors.ts';
import type { Recording, Transcriber } from '../core/ports/transcriber.ts';

export interface EndpointTranscriberOptions {
  /** Up to, and without, `/audio/transcriptions`. */
  readonly url: string;
  readonly model: string;
  readonly key?: () => Promise<string>;
  /** ISO 639-1; guessed when left out. */
  readonly language?: string;
  /** Of all tries together. */
  readonly timeoutMs: number;
  readonly maxBytes: number;
}

const AGAIN = { firstMs: 500, maxMs: 5_000, jitter: 0.5 };
const TRIES = 3;
const MAX_ANSWER_BYTES = 2 * 1024 * 1024;
const answerSchema = z.object({ text: z.string() });

export function createEndpointTranscriber(options: EndpointTranscriberOptions): Transcriber {
  const { url, model, language, timeoutMs, maxBytes } = options;
  const address = `${url.replace(/\/+$/, '')}/audio/transcriptions`;

  async function ask(form: () => FormData, signal: AbortSignal): Promise<string> {
    const key = await options.key?.();
    const headers: Record<string, string> = key === undefined ? {} : { authorization: `Bearer ${key}` };
    let response: Response;
    try {
      // A redirect would carry the recording elsewhere.
      response = await fetch(address, { method: 'POST', headers, body: form(), signal, redirect: 'error' });
    } catch (cause) {
      throw new Ambiguous('no-answer', 'The transcriber gave no answer.', { cause });
    }
    const bytes = await readBody(response, { maxBytes: MAX_ANSWER_BYTES, maxMs: timeoutMs });
    if (response.status === 429 || response.status >= 500) {
      throw new Refused('transcriber-busy', `The transcriber answered ${response.status}.`);
    }
    if ([400, 413, 415, 422].includes(response.status)) {
      throw new Invalid('bad-recording', 'This recording cannot be listened to. I have it as a file only.');
    }
    const answer = response.ok && typeof bytes === 'object' ? parsed(bytes) : null;
    if (answer === null) {
      throw new Refused('transcriber-fault', `The transcriber answered ${response.status}, and no text.`);
    }
    return answer;
  }

  return {
    maxBytes,
    async transcribe(recording) {
      const blob = await blobOf(recording, maxBytes);
      const form = () => {
        const data = new FormData();
        data.set('file', blob, recording.name);
        data.set('model', model);
        data.set('response_format', 'json');
        if (language !== undefined) data.set('language', language);
        return data;
      };
      const signal = AbortSignal.timeout(timeoutMs);
      for (let tries = 1; ; tries++) {
        try {
          return await ask(form, signal);
        } catch (error) {
          const mayPass = error instanceof Ambiguous || error instanceof Refused;
          if (!mayPass || tries === TRIES || signal.aborted) throw error;
          await sleep(backoffAfterMs(error, AGAIN, tries));
        }
      }
    },
  };
}

function parsed(bytes: Uint8Array): string | null {
  try {
    return answerSchema.parse(JSON.parse(new TextDecoder().decode(bytes))).text;
  } catch {
    return null;
  }
}

async function blobOf({ read, mediaType }: Recording, maxBytes: number): Promise<Blob> {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let bytes = 0;
  for await (const piece of read()) {
    bytes += piece.length;
    if (bytes > maxBytes) throw new Invalid('recording-too-large', 'It is too long for me to listen to.');
    pieces.push(new Uint8Array(piece));
  }
  return new Blob(pieces, { type: mediaType });
}
