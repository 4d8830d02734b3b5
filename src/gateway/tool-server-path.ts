// Where an agent finds its tool servers at a gateway: `/tool-servers/NAME`, NAME as in mcp.json.
const PATH = /^\/tool-servers\/([A-Za-z0-9-]{1,64})$/;

export function toolServerPath(name: string): string {
  return `/tool-servers/${name}`;
}

/** The server that a URL means; null for any other path. */
export function toolServerIn(url: URL): string | null {
  return PATH.exec(url.pathname)?.[1] ?? null;
}
