// The tool servers at URLs of an agent folder as a file, for a function that has no agent folder. It holds what mcp.json says, so
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
  /** Hosts that the folder's `network` lists. */
  allow: z.array(z.string()),
});

export interface ServerList {
  readonly servers: readonly RemoteServer[];
  readonly allow: readonly string[];
}

export function writtenServerList(list: ServerList): string {
  return JSON.stringify(list);
}

/** `text`: of the file; undefined where there is none. */
export function readServerList(text: string | undefined): ServerList {
  return text === undefined
    ? { servers: [], allow: [] }
    : (serverListSchema.parse(JSON.parse(text)) as ServerList);
}
