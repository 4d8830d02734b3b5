// Finds a stored conversation by what a person types: a chat name, `channel/chat`, or (the beginning of) a session id.

import { resolve } from 'node:path';
import type * as AwsStores from '../aws/stores.ts';
import { DEFAULT_TENANT } from '../core/defaults.ts';
import { Gone, Invalid } from '../core/errors.ts';
import {
  conversationOf,
  type SessionId,
  type SessionKey,
  sessionKeyOf,
  type Tenant,
  tenantId,
} from '../core/ids.ts';
import type { SessionStore } from '../core/ports.ts';
import type { SessionHead, SessionMapping } from '../core/records.ts';
import { readConfiguration } from '../local/configuration.ts';
import { openStores, type Stores } from '../local/stores.ts';
import type { Progress } from '../state/progress.ts';
import type { CliContext, DataOptions } from './context.ts';

/** A shorter beginning of an id could match by chance. */
const MIN_PREFIX = 4;

export interface Found {
  readonly head: SessionHead;
  /** null when the conversation has expired or was erased meanwhile. */
  readonly mapping: SessionMapping | null;
}

interface Opening {
  readonly create?: boolean;
  readonly progress?: Progress;
}

/**
 * Opens the data folder or the named installation on AWS for one command, and closes it again. The folder must exist:
 * commands that read do not create one.
 */
export async function withStores<T>(
  context: CliContext,
  options: DataOptions,
  use: (stores: Stores) => Promise<T>,
  open: Opening = {},
): Promise<T> {
  const stores = await openNamed(context, options, open);
  try {
    return await use(stores);
  } finally {
    await stores.close();
  }
}

/** Options of the command line override the environment. */
async function openNamed(context: CliContext, options: DataOptions, open: Opening): Promise<Stores> {
  const { aws } = storedWhere(context, options);
  if (aws !== undefined) return await (await awsStores()).openAwsStores(aws, open);
  return await openStores(configurationFor(context, options), { create: false, ...open });
}

/** What {@link withStores} opens: the file of an installation or the data folder, as a whole path. */
export function storedWhere(
  context: CliContext,
  options: DataOptions,
): { readonly aws: string } | { readonly aws?: undefined; readonly data: string } {
  const { aws, data } = options;
  if (aws !== undefined && data !== undefined) {
    throw new Invalid('usage', '--aws and --data name two different places.', { advice: 'Leave one out.' });
  }
  const installation = aws ?? (data === undefined ? context.env.HYBRID_SESSIONS_AWS : undefined);
  if (installation) return { aws: resolve(context.cwd, installation) };
  return { data: resolve(context.cwd, configurationFor(context, options).dataDir) };
}

export function configurationFor({ env, cwd }: CliContext, { data }: DataOptions) {
  return readConfiguration({ env, cwd, overrides: data === undefined ? {} : { dataDir: data } });
}

/** Loaded only when it is needed, because it loads the AWS SDK. */
async function awsStores(): Promise<typeof AwsStores> {
  try {
    return await import('../aws/stores.ts');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw cause;
    throw new Invalid('no-aws-sdk', 'The AWS SDK is not installed here.', {
      cause,
      advice: 'Run: npm install @aws-sdk/client-dynamodb @aws-sdk/client-s3 @aws-sdk/client-sqs',
    });
  }
}

/** The tenant that `--tenant` names. */
export function tenantOption({ tenant }: Pick<DataOptions, 'tenant'>): Tenant {
  return tenant === undefined ? DEFAULT_TENANT : tenantId(tenant);
}

export async function findConversation(store: SessionStore, name: string, tenant: Tenant): Promise<Found> {
  // Only chats of the HTTP API are known by name alone, and those are the default tenant's.
  for (const key of tenant === DEFAULT_TENANT ? keysFor(name) : []) {
    const mapping = await store.getMapping(key);
    const head = mapping && (await store.getHead(tenant, mapping.session_id));
    if (head) return { head, mapping };
  }
  const head = await headByPrefix(store, name, tenant);
  if (head) return { head, mapping: await store.getMapping(head.sessionKey) };
  throw new Gone('unknown-chat', `There is no chat or session "${name}".`, {
    advice: '`hybrid-sessions sessions list` shows all of them.',
  });
}

export function chatName(key: SessionKey): string {
  const { channel, chat } = conversationOf(key);
  return `${channel}/${chat}`;
}

/** The key of a conversation of the HTTP API. Other channels' keys also contain the id of the bot. */
export function httpKey(chat: string, tenant: string = DEFAULT_TENANT): SessionKey {
  return sessionKeyOf({ tenant, channel: 'http', bot: 'local', chat, thread: null });
}

function keysFor(name: string): SessionKey[] {
  const chat = name.startsWith('http/') ? name.slice('http/'.length) : name;
  if (!/^[A-Za-z0-9._~-]{1,128}$/.test(chat)) return [];
  // `chat main` in the terminal is the chat `cli-main` of the API.
  return [httpKey(chat), httpKey(`cli-${chat}`)];
}

async function headByPrefix(store: SessionStore, name: string, tenant: Tenant): Promise<SessionHead | null> {
  const isPrefix = new RegExp(`^[0-9a-f-]{${MIN_PREFIX},36}$`).test(name);
  if (/^[0-9a-f-]{36}$/.test(name)) return await store.getHead(tenant, name as SessionId);
  const found: SessionHead[] = [];
  let cursor: string | null | undefined;
  while (cursor !== null) {
    const page = await store.listHeads(tenant, { limit: 200, ...(cursor && { cursor }) });
    found.push(
      ...page.items.filter(
        (h) => chatName(h.sessionKey) === name || (isPrefix && h.sessionId.startsWith(name)),
      ),
    );
    cursor = page.cursor;
  }
  const [first, second] = found;
  if (first && second && chatName(first.sessionKey) !== name) {
    throw new Invalid('ambiguous', `"${name}" begins the ids of ${found.length} sessions.`, {
      advice: 'Give more of it.',
    });
  }
  return first ?? null;
}
