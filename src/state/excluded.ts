// What a session's state leaves out of the Claude config directory, with the reason for each. Everything else is
// kept, so that what the CLI adds tomorrow survives without a change here. The workspace keeps everything.

export interface ExcludedName {
  /** First path component below the config root. */
  readonly name: string;
  readonly reason: string;
}

const LAID_IN = 'static configuration: laid in from the agent folder before every turn, never from the state';

/** The deny-list of the config root. A name covers the entry and all below it. */
export const LEFT_OUT_OF_CONFIG: readonly ExcludedName[] = [
  { name: '.credentials.json', reason: 'credentials never enter stored state' },
  { name: 'settings.json', reason: LAID_IN },
  { name: 'settings.local.json', reason: LAID_IN },
  { name: 'agents.json', reason: LAID_IN },
  { name: 'mcp.json', reason: LAID_IN },
  { name: 'system_prompt.md', reason: LAID_IN },
  { name: 'skills', reason: LAID_IN },
  { name: 'agents', reason: LAID_IN },
  { name: 'plugins', reason: 'code fetched by the CLI; a session must not plant code for its next turn' },
  { name: 'backups', reason: 'copies of .claude.json that the CLI makes at every start' },
  { name: 'shell-snapshots', reason: 'made anew by the CLI at every start, from the machine it runs on' },
  { name: 'statsig', reason: 'cache of feature flags' },
  { name: 'cache', reason: 'cache' },
  { name: 'ide', reason: 'lock files that name processes of one machine' },
];

const names = new Set(LEFT_OUT_OF_CONFIG.map((entry) => entry.name));

/** True when a state path (`config/...` or `workspace/...`) is on the deny-list. */
export function isLeftOut(path: string): boolean {
  if (!path.startsWith('config/')) return false;
  const end = path.indexOf('/', 7);
  return names.has(end === -1 ? path.slice(7) : path.slice(7, end));
}
