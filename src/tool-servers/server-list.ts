// The tool servers at URLs of the agent folders as a file, for a function that has no agent folder. It holds what mcp.json says, so
// references and no stored credential.
import { z } from 'zod';
import type { RemoteServer } from './remote-server.ts';

/** Beside the functions' code. */
export const SERVER_LIST_FILE = 'tool-servers.json';

const serverListSchema = z.strictObject({
  servers: z.array(
    z.strictObject({
      name: z.string(),
      type: z.enum(['http', 'sse']),
      url: z.url(),
      headers: z.record(z.string(), z.string()),
      oauth: z
        .strictObject({
          clientId: z.string().optional(),
          clientSecret: z.string().optional(),
          scope: z.string().optional(),
        })
        .optional(),
    }),
  ),
  /** What settings.json allows, and what it lets people decide about. */
  tools: z.array(z.string()),
  /** Hosts that the folder's `network` lists. */
  allow: z.array(z.string()),
});

export interface ServerList {
  readonly servers: readonly RemoteServer[];
  readonly tools: readonly string[];
  readonly allow: readonly string[];
}

/** By the name of the agent folder; '' is the installation's own. */
export function writtenServerLists(lists: Readonly<Record<string, ServerList>>): string {
  return JSON.stringify(lists);
}

/** `text`: of the file; undefined where there is none. */
export function readServerLists(text: string | undefined): ReadonlyMap<string, ServerList> {
  const lists = text === undefined ? {} : z.record(z.string(), serverListSchema).parse(JSON.parse(text));
  return new Map(Object.entries(lists) as [string, ServerList][]);
}

/** Of all folders as one: a link to sign in names a server and no folder. Of two of one name the first counts. */
export function allOf(lists: ReadonlyMap<string, ServerList>): ServerList {
  const each = [...lists.values()];
  const servers = new Map(
    each.flatMap((list) => list.servers.map((one) => [one.name, one] as const)).reverse(),
  );
  return {
    servers: [...servers.values()],
    tools: each.flatMap(({ tools }) => tools),
    allow: each.flatMap(({ allow }) => allow),
  };
}
