// Counts what an answer has used, from the answer itself while it passes. A stream's figures grow: what comes later holds.
// A stream that ends without its last figures (the agent hung up, the connection broke) is counted by what came of it,
// so hanging up hides nothing.
import { createAwsEventReader, createSseReader, type EventReader } from './event-readers.ts';

/** As the Messages API names them; a figure that did not come is 0. */
export interface MeteredUsage {
  readonly model: string | null;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cacheReadTokens: number;
  /** Kept for five minutes, and for an hour. */
  readonly cacheWriteTokens: number;
  readonly cacheWriteHourTokens: number;
  readonly webSearches: number;
  readonly isFast: boolean;
  readonly isUsOnly: boolean;
}

export interface UsageMeter {
  push(piece: Buffer): void;
  /** Call it once, when nothing more comes. null: the answer was no message. */
  end(): MeteredUsage | null;
  /** True when a stream that had begun well told of an error. */
  failed(): boolean;
}

interface ApiUsage {
  readonly input_tokens?: number | null;
  readonly output_tokens?: number | null;
  readonly cache_read_input_tokens?: number | null;
  readonly cache_creation_input_tokens?: number | null;
  readonly cache_creation?: { readonly ephemeral_1h_input_tokens?: number | null } | null;
  readonly server_tool_use?: { readonly web_search_requests?: number | null } | null;
  readonly speed?: string | null;
  readonly inference_geo?: string | null;
}

interface ApiEvent {
  readonly type?: string;
  readonly message?: { readonly model?: string; readonly usage?: ApiUsage };
  readonly delta?: Readonly<Record<string, unknown>>;
  readonly model?: string;
  readonly usage?: ApiUsage;
}

/** Of a text whose tokens nobody counted. */
const CHARACTERS_PER_TOKEN = 3;
const MAX_WHOLE_BYTES = 64 * 1024 * 1024;

export function createUsageMeter(contentType: string): UsageMeter {
  if (/^application\/vnd\.amazon\.eventstream/i.test(contentType)) return streamMeter(createAwsEventReader());
  if (/^text\/event-stream/i.test(contentType)) return streamMeter(createSseReader());
  return wholeMeter();
}

function streamMeter(read: EventReader): UsageMeter {
  let usage: ApiUsage = {};
  let model: string | null = null;
  let isMessage = false;
  let isCounted = false;
  let characters = 0;
  let hasFailed = false;
  return {
    failed: () => hasFailed,
    push(piece) {
      for (const text of read(piece)) {
        const event = parsed(text);
        hasFailed ||= event?.type === 'error';
        if (event?.type === 'message_start') {
          isMessage = true;
          model = event.message?.model ?? null;
          usage = { ...usage, ...known(event.message?.usage) };
        } else if (event?.type === 'message_delta') {
          isCounted = typeof event.usage?.output_tokens === 'number';
          usage = { ...usage, ...known(event.usage) };
        } else if (event?.type === 'content_block_delta') {
          for (const [name, value] of Object.entries(event.delta ?? {})) {
            if (name !== 'type' && typeof value === 'string') characters += value.length;
          }
        }
      }
    },
    end() {
      if (!isMessage) return null;
      const seen = Math.ceil(characters / CHARACTERS_PER_TOKEN);
      const output = isCounted ? count(usage.output_tokens) : Math.max(count(usage.output_tokens), seen);
      return meteredUsage(model, { ...usage, output_tokens: output });
    },
  };
}

function wholeMeter(): UsageMeter {
  const pieces: Buffer[] = [];
  let bytes = 0;
  return {
    failed: () => false,
    push(piece) {
      bytes += piece.length;
      if (bytes <= MAX_WHOLE_BYTES) pieces.push(piece);
    },
    end() {
      const message = parsed(Buffer.concat(pieces).toString('utf8'));
      return message?.type === 'message' && message.usage
        ? meteredUsage(message.model ?? null, message.usage)
        : null;
    },
  };
}

function meteredUsage(model: string | null, usage: ApiUsage): MeteredUsage {
  const hour = count(usage.cache_creation?.ephemeral_1h_input_tokens);
  return {
    model,
    inputTokens: count(usage.input_tokens),
    outputTokens: count(usage.output_tokens),
    cacheReadTokens: count(usage.cache_read_input_tokens),
    cacheWriteTokens: Math.max(0, count(usage.cache_creation_input_tokens) - hour),
    cacheWriteHourTokens: hour,
    webSearches: count(usage.server_tool_use?.web_search_requests),
    isFast: usage.speed === 'fast',
    isUsOnly: usage.inference_geo === 'us',
  };
}

function count(value: number | null | undefined): number {
  return typeof value === 'number' && Number.isFinite(value) && value > 0 ? Math.round(value) : 0;
}

/** Without what is null: it says nothing about what was said before. */
function known(usage: ApiUsage | undefined): ApiUsage {
  return Object.fromEntries(Object.entries(usage ?? {}).filter(([, value]) => value !== null));
}

function parsed(text: string): ApiEvent | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as ApiEvent) : null;
  } catch {
    return null;
  }
}
