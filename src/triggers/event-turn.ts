// What an event becomes: the chat that it belongs to, and as much of it as the agent is shown. What is in the event chooses neither
// words of the message nor a chat that the trigger does not name.
import { createHash } from 'node:crypto';
import type { Json } from '../core/messages.ts';
import { cutText } from '../text/cut-text.ts';
import type { SignedEvent } from './signed-event.ts';
import type { Trigger } from './trigger-file.ts';

const CHAT = /^[A-Za-z0-9._~-]{1,128}$/;
/** Of the event as JSON: what a queue carries beside the message. */
const MAX_DATA = 60_000;
const LONG_STRINGS = [8_000, 2_000, 500, 100];
const CUT = ' [cut]';

/** By the trigger's template; what makes no name of a chat is named by a digest behind the trigger's own name. */
export function chatOf({ name, chat }: Pick<Trigger, 'name' | 'chat'>, data: unknown): string {
  const filled = chat.replace(/\{([\w.-]+)\}/g, (_, path: string) => valueAt(data, path));
  if (CHAT.test(filled)) return filled;
  const digest = createHash('sha256').update(filled).digest('hex');
  return `${name}-${cutText(digest, 16)}`;
}

function valueAt(data: unknown, path: string): string {
  let value = data;
  for (const key of path.split('.')) {
    const isThere = typeof value === 'object' && value !== null && Object.hasOwn(value, key);
    value = isThere ? (value as Record<string, unknown>)[key] : undefined;
  }
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

/** The event with its long texts cut, shorter and shorter until it fits; null when it cannot. */
export function shownData({ data }: Pick<SignedEvent, 'data'>): Json | null {
  if (JSON.stringify(data).length <= MAX_DATA) return data as Json;
  for (const max of LONG_STRINGS) {
    const cut = withShortStrings(data, max);
    if (JSON.stringify(cut).length <= MAX_DATA) return cut;
  }
  return null;
}

function withShortStrings(value: unknown, max: number): Json {
  if (typeof value === 'string') return cutText(value, max, CUT);
  if (Array.isArray(value)) return value.map((one) => withShortStrings(one, max));
  if (typeof value !== 'object' || value === null) return value as Json;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, withShortStrings(one, max)]));
}
