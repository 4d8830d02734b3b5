// What a program says to open a system, and what follows from it for `fetch`.
import type { AwsInstallation } from '../aws/installation.ts';
import { Invalid } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Access } from './system.ts';

/** A system on this machine: workers of its own over a data folder, as `hybrid-sessions start` runs it. */
export interface LocalSettings {
  /** The agent folder; `./agent` when left out. */
  readonly agentDir?: string;
  /** The data folder; `.hybrid-sessions` when left out. */
  readonly dataDir?: string;
  /** Worker processes: so many conversations can have a turn running at once. */
  readonly workers?: number;
  /** Model name; `demo` for the built-in demo model. */
  readonly model?: string;
  /** Modules with channels of your own, besides those of the configuration file: paths from `cwd`, or packages. */
  readonly channelModules?: readonly string[];
  /**
   * Where keys and everything not set here is read from, as docs/configuration.md lists it (PORT and HOST do not
   * count: nothing listens). The program's own environment when left out.
   */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** What relative paths start from, and where `hybrid-sessions.config.json` is looked for. */
  readonly cwd?: string;
  readonly access?: Access;
  /** Whether `fetch` serves the chat page at `/`, too; no when left out. */
  readonly page?: boolean;
  /** Takes this process's log lines. Workers write theirs to standard error. Warnings and worse when left out. */
  readonly log?: Log;
}

/** In front of an installation on AWS: messages go to its queue, answers are read from its tables. */
export interface AwsSettings {
  /** The file that `hybrid-sessions deploy` wrote, or what is in it. Credentials come from where the SDK looks. */
  readonly aws: string | AwsInstallation;
  readonly access?: Access;
  readonly log?: Log;
}

export type SystemSettings = LocalSettings | AwsSettings;

/** What `fetch` checks for this kind of access. */
export function checksFor(access: Access): {
  readonly apiKeys: readonly string[];
  readonly knownHosts: readonly string[] | null;
} {
  if (access === 'loopback') return { apiKeys: [], knownHosts: [] };
  if (access === 'trusted') return { apiKeys: [], knownHosts: null };
  if (access.keys.length === 0 || access.keys.some((key) => !/^[\x21-\x7e]{16,}$/.test(key))) {
    throw new Invalid('bad-config', 'access.keys must hold keys of at least 16 visible ASCII characters.');
  }
  return { apiKeys: access.keys, knownHosts: null };
}
