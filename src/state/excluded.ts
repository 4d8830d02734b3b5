// Which names of the Claude config directory are excluded from a session's state, and why. Everything else is stored,
// so that files which a later CLI adds are stored without a change here. Nothing of the workspace is excluded.

export interface ExcludedName {
  /** First path component below the config root. */
  readonly name: string;
  readonly reason: string;
}

const OTHER_CLI =
  'configuration that another way of using the CLI reads: never from the state, so that nothing is planted';
const RUNNING = 'notes of a running CLI, made anew at every start';
const STATIC = 'static configuration: copied from the agent folder before every turn, never from the state';

/** The deny-list of the config root. A name covers the entry and everything below it, a file's also what is named after it. */
export const EXCLUDED_FROM_CONFIG: readonly ExcludedName[] = [
  { name: '.credentials.json', reason: 'credentials never enter stored state' },
  { name: 'settings.json', reason: STATIC },
  { name: 'settings.local.json', reason: STATIC },
  { name: 'agents.json', reason: STATIC },
  { name: 'mcp.json', reason: STATIC },
  { name: 'system_prompt.md', reason: STATIC },
  { name: 'skills', reason: STATIC },
  { name: 'agents', reason: STATIC },
  { name: 'plugins', reason: 'code fetched by the CLI; a session must not plant code for its next turn' },
  { name: 'backups', reason: 'copies of .claude.json that the CLI makes at every start' },
  { name: 'shell-snapshots', reason: 'made anew by the CLI at every start, from the machine it runs on' },
  { name: 'statsig', reason: 'cache of feature flags' },
  { name: 'cache', reason: 'cache' },
  { name: 'ide', reason: 'lock files that name processes of one machine' },
  { name: 'sessions', reason: RUNNING },
  { name: 'session-env', reason: RUNNING },
  { name: 'telemetry', reason: RUNNING },
  { name: '.last-cleanup', reason: 'when the CLI last looked for old files on one machine' },
  ...[
    '.claude.json',
    '.claude-plugin',
    '.config.json',
    '.mcp.json',
    'CLAUDE.md',
    'CLAUDE.local.md',
    'commands',
    'hooks',
    'keybindings.json',
    'output-styles',
    'routines',
    'rules',
    'workflows',
  ].map((name) => ({ name, reason: OTHER_CLI })),
];

const names = new Set(EXCLUDED_FROM_CONFIG.map((entry) => entry.name));
/** Beside a file lie its lock and its drafts (`.claude.json.lock`, `.claude.json.tmp.14.16d0`) while the CLI writes it. */
const files = [...names].filter((name) => /[^.]\./.test(name)).map((name) => `${name}.`);

/** True when a state path (`config/...` or `workspace/...`) is on the deny-list. */
export function isExcluded(path: string): boolean {
  if (!path.startsWith('config/')) return false;
  const end = path.indexOf('/', 7);
  const first = end === -1 ? path.slice(7) : path.slice(7, end);
  return names.has(first) || files.some((beginning) => first.startsWith(beginning));
}
