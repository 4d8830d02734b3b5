// The context of every command: working directory, environment and terminal, as values.
import type { Environment } from '../local/configuration.ts';
import type { Terminal } from './terminal.ts';

export interface CliContext {
  readonly env: Environment;
  readonly cwd: string;
  readonly terminal: Terminal;
  readonly version: string;
}

export interface DataOptions {
  readonly data?: string;
  /** File that names an installation on AWS. */
  readonly aws?: string;
  readonly json?: boolean;
  /** Name of the tenant whose data is meant; the default one without it. */
  readonly tenant?: string;
}

export interface AgentOptions extends DataOptions {
  readonly agent?: string;
}
