// How the SDK's keys become ours: (projectKey, sessionId) is one conversation on the channel `agent-sdk`, and each
// transcript of it is one file of the session's state. Both encodings are injective: no two keys share anything.
import { Buffer } from 'node:buffer';
import type { SessionKey as SdkKey } from '@anthropic-ai/claude-agent-sdk';
import { Invalid } from '../core/errors.ts';
import { type Conversation, conversationOf, MAX_ID_LENGTH, type SessionKey } from '../core/ids.ts';

const CHANNEL = 'agent-sdk';
const MAIN = 'config/main.jsonl';
/** The folder of all transcripts but the main one; it has to be in the table before a file in it. */
export const SUBPATHS = 'config/subpaths';
const ENDING = '.jsonl';
/** A file name holds 255 bytes; encoded, a subpath has to fit. */
const MAX_NAME_BYTES = 255 - ENDING.length;
const PLAIN = /[A-Za-z0-9_-]/;

export type SessionName = Pick<SdkKey, 'projectKey' | 'sessionId'>;

/** Throws Invalid on a name that is empty, too long or no text. */
export function conversationFor(tenant: string, name: SessionName): Conversation {
  checkName('projectKey', name.projectKey);
  checkName('sessionId', name.sessionId);
  return { tenant, channel: CHANNEL, bot: name.projectKey, chat: name.sessionId, thread: null };
}

/** null for a conversation of another channel. */
export function nameOf(key: SessionKey): SessionName | null {
  const { channel, bot, chat } = conversationOf(key);
  return channel === CHANNEL ? { projectKey: bot, sessionId: chat } : null;
}

function checkName(what: string, value: unknown): void {
  if (typeof value !== 'string' || value === '') throw new Invalid('bad-key', `The ${what} is empty.`);
  if (value.length > MAX_ID_LENGTH) {
    throw new Invalid('bad-key', `The ${what} is longer than ${MAX_ID_LENGTH} characters.`);
  }
  if (!value.isWellFormed()) throw new Invalid('bad-key', `The ${what} is not well-formed Unicode.`);
}

/** The file of a transcript; the main one where there is no subpath. */
export function fileOf(subpath: string | undefined): string {
  if (subpath === undefined) return MAIN;
  checkName('subpath', subpath);
  let name = '';
  for (const byte of Buffer.from(subpath, 'utf8')) {
    const char = String.fromCharCode(byte);
    name += PLAIN.test(char) ? char : `=${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  if (name.length > MAX_NAME_BYTES) throw new Invalid('bad-key', 'The subpath is too long.');
  return `${SUBPATHS}/${name}${ENDING}`;
}

export function isMain(file: string): boolean {
  return file === MAIN;
}

/** The inverse of {@link fileOf}; null for the main transcript and for folders. */
export function subpathOf(file: string): string | null {
  if (!file.startsWith(`${SUBPATHS}/`)) return null;
  const name = file.slice(SUBPATHS.length + 1, -ENDING.length);
  return decodeURIComponent(name.replaceAll('=', '%'));
}
