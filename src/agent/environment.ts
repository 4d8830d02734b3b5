// The agent process's environment, built from nothing: what is not named here the agent does not have.
import { delimiter, dirname, join } from 'node:path';
import type { ExecutionDirectory } from '../core/ports/execution.ts';
import type { AwsCredentials } from '../gateway/model-upstream.ts';
import type { TimeLimits } from './agent-folder-schema.ts';
import { ROOT_MARKER } from './processes.ts';

/** Where system programs lie; used for us and for the agent. */
export const SAFE_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Where model requests go, and by which right. Exactly one way: key, token, Bedrock or Claude Platform settings. */
export interface ModelEndpoint {
  readonly baseUrl?: string;
  readonly apiKey?: string;
  readonly authToken?: string;
  /** `CLAUDE_CODE_USE_BEDROCK`, `AWS_*` ...: read by the gateway, which signs (see design/gateway.md). */
  readonly bedrock?: Readonly<Record<string, string>>;
  /** Claude Platform on AWS. */
  readonly claudePlatform?: {
    readonly region: string;
    readonly workspaceId: string;
    readonly apiKey?: string;
    readonly baseUrl?: string;
  };
  /** Signs for Bedrock or Claude Platform where those settings hold no credentials of their own. */
  readonly awsCredentials?: AwsCredentials;
  /** Used when the agent folder names no model. */
  readonly model?: string;
  /** Replies carry the mark of the demo model, and cost nothing. */
  readonly demo: boolean;
}

/** Where a turn's gateway is, and the turn's token for it: tool servers are there, too. */
export function gatewayOf({ baseUrl, apiKey, bedrock }: ModelEndpoint): {
  readonly baseUrl: string | undefined;
  readonly token: string | undefined;
} {
  return bedrock
    ? { baseUrl: bedrock.ANTHROPIC_BEDROCK_BASE_URL, token: bedrock.AWS_BEARER_TOKEN_BEDROCK }
    : { baseUrl, token: apiKey };
}

/** Folder name of transcripts under `config/projects`: independent of the working directory's path. */
export const PROJECT_DIRECTORY = 'session';

export interface EnvironmentOptions {
  readonly directory: ExecutionDirectory;
  readonly model: ModelEndpoint;
  readonly shellPrefix: string;
  readonly path?: string;
  /** IANA name. */
  readonly timezone: string;
  readonly language?: string;
  readonly limits: TimeLimits;
}

export function agentEnvironment(options: EnvironmentOptions): Record<string, string> {
  const { directory, model, limits } = options;
  const temporary = join(directory.root, 'tmp');
  return {
    PATH: options.path ?? [dirname(process.execPath), SAFE_PATH].join(delimiter),
    HOME: join(directory.root, 'home'),
    SHELL: '/bin/bash',
    LANG: options.language ?? 'C.UTF-8',
    TZ: options.timezone,
    TMPDIR: temporary,
    CLAUDE_CODE_TMPDIR: temporary,
    [ROOT_MARKER]: directory.root,
    CLAUDE_CONFIG_DIR: directory.config,
    CLAUDE_CODE_PROJECT_DIR_NAME: PROJECT_DIRECTORY,
    CLAUDE_CODE_SHELL_PREFIX: options.shellPrefix,
    CLAUDE_AGENT_SDK_CLIENT_APP: 'hybrid-sessions',
    // One turn is one result: nothing may go on after it.
    CLAUDE_CODE_DISABLE_BACKGROUND_TASKS: '1',
    CLAUDE_CODE_DISABLE_CRON: '1',
    CLAUDE_CODE_ENABLE_TASKS: '1',
    // For a CLI that stays for the next turn: the transcript is written before the result, and it says when it is idle.
    CLAUDE_CODE_EAGER_FLUSH: '1',
    CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS: '1',
    MCP_TIMEOUT: milliseconds(limits.toolServerStartSec),
    MCP_TOOL_TIMEOUT: milliseconds(limits.toolServerCallSec),
    BASH_DEFAULT_TIMEOUT_MS: milliseconds(limits.commandSec),
    BASH_MAX_TIMEOUT_MS: milliseconds(Math.max(limits.commandSec, limits.longestCommandSec)),
    // Only the folder's skills and tools, all named to the model from the start.
    CLAUDE_CODE_DISABLE_BUNDLED_SKILLS: '1',
    CLAUDE_CODE_DISABLE_POLICY_SKILLS: '1',
    CLAUDE_CODE_DISABLE_OFFICIAL_MARKETPLACE_AUTOINSTALL: '1',
    ENABLE_TOOL_SEARCH: 'false',
    // A message is text: "@/etc/passwd" names no file to read.
    CLAUDE_CODE_DISABLE_FILE_MENTIONS: '1',
    // Short: the queue retries the whole turn later.
    CLAUDE_CODE_MAX_RETRIES: '2',
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    DISABLE_TELEMETRY: '1',
    DISABLE_ERROR_REPORTING: '1',
    DISABLE_AUTOUPDATER: '1',
    ...modelVariables(model),
  };
}

const milliseconds = (seconds: number): string => String(Math.round(seconds * 1_000));

function modelVariables(model: ModelEndpoint): Record<string, string> {
  if (model.bedrock) return { ...model.bedrock };
  return {
    ...(model.baseUrl === undefined ? {} : { ANTHROPIC_BASE_URL: model.baseUrl }),
    ...(model.apiKey === undefined ? {} : { ANTHROPIC_API_KEY: model.apiKey }),
    ...(model.authToken === undefined ? {} : { ANTHROPIC_AUTH_TOKEN: model.authToken }),
  };
}
