// The shapes of the files in an agent folder, and the names a tool policy may use. Unknown fields are refused: a
// misspelt one must not be ignored in silence.
import { z } from 'zod';
import { principalListSchema } from '../core/principal.ts';
import { DEFAULT_LIMITS, limitsSchema } from '../host/sandbox/limits.ts';
import { networkSchema } from '../host/sandbox/network-setting.ts';

/** Built-in tools that may be allowed. What the CLI has besides needs a person at a terminal or outlives the turn. */
export const BUILT_IN_TOOLS = [
  'Bash',
  'Read',
  'Write',
  'Edit',
  'NotebookEdit',
  'Glob',
  'Grep',
  'WebFetch',
  'WebSearch',
  'Agent',
  'Skill',
  'TaskCreate',
  'TaskUpdate',
  'TaskList',
  'TaskGet',
  'AskUserQuestion',
] as const;

export const NAME_PATTERN = /^[a-z0-9][a-z0-9-]{0,63}$/;

export const agentsSchema = z.record(
  z.string().regex(NAME_PATTERN, 'use lower-case letters, digits and "-" for the name'),
  z.strictObject({
    description: z.string().min(1),
    prompt: z.string().min(1).optional(),
    prompt_file: z.string().min(1).optional(),
    tools: z.array(z.string()).optional(),
    model: z.string().min(1).optional(),
  }),
);

const stdioServer = z.strictObject({
  type: z.literal('stdio').optional(),
  command: z.string().min(1),
  args: z.array(z.string()).optional(),
  env: z.record(z.string(), z.string()).optional(),
});

const remoteServer = z.strictObject({
  type: z.enum(['http', 'sse']),
  url: z.url(),
  headers: z.record(z.string(), z.string()).optional(),
  /** People sign in to it with accounts of their own. */
  oauth: z
    .union([
      z.literal(true),
      z.strictObject({
        clientId: z.string().min(1).optional(),
        /** Name of a stored credential. */
        clientSecret: z.string().min(1).optional(),
        scope: z.string().min(1).optional(),
      }),
    ])
    .optional(),
});

export const mcpSchema = z.strictObject({
  mcpServers: z.record(
    z.string().regex(/^[A-Za-z0-9][A-Za-z0-9-]{0,63}$/, 'use letters, digits and "-" for the name'),
    z.union([stdioServer, remoteServer]),
  ),
});

const MAX_REPLY = 20_000;

const seconds = z.number().positive().max(86_400);

/** After these the call fails, the model is told so, and the turn goes on. */
const timeLimitsSchema = z.strictObject({
  /** A tool server that has not started by then is missing in the turn. */
  toolServerStartSec: seconds.default(15),
  /** One call of a tool server's tool. */
  toolServerCallSec: seconds.default(600),
  /** A command, where the model names no time of its own. */
  commandSec: seconds.default(120),
  /** The longest time that the model may name. */
  longestCommandSec: seconds.default(600),
});

export const DEFAULT_TIME_LIMITS = timeLimitsSchema.parse({});

/** What a turn leaves running once the agent has answered. */
const backgroundSchema = z.strictObject({
  /** It is waited for so long, and ended. */
  waitSec: z.number().min(0).max(3_600).default(5),
  /** The longest time for which the agent may ask; 0: it may not. */
  longestMinutes: z.number().min(0).max(1_440).default(30),
});

const DEFAULT_BACKGROUND = backgroundSchema.parse({});

const approvalsSchema = z.strictObject({
  /** Who may decide; whoever wrote the message that led to the question, when left out. An empty list: nobody. */
  approvers: principalListSchema.optional(),
  /** How long an answer is waited for; as long as the session is kept, when left out. */
  expiresAfterHours: z.number().positive().max(10_000).optional(),
});

export const settingsSchema = z.strictObject({
  /** `ask`: calls that people decide about; a tool named here need not stand in `allow`. */
  tools: z.strictObject({ allow: z.array(z.string()), ask: z.array(z.string()).optional() }),
  approvals: approvalsSchema.default({}),
  /** `prefer`: use one where the machine has it. `require`: run no turn without. `off`: none. */
  sandbox: z.enum(['prefer', 'require', 'off']).default('prefer'),
  /** What the agent may reach besides the model. In a sandbox; without one it cannot be kept from anything. */
  network: networkSchema.default('none'),
  /** How much of the machine a session's processes may use. */
  limits: limitsSchema.default(DEFAULT_LIMITS),
  model: z.string().min(1).optional(),
  /** Takes over at the beginning of a turn while `model` does not answer. */
  fallbackModel: z.string().min(1).optional(),
  /** Those that the people of a chat may choose for it, besides `model`. */
  chatModels: z.array(z.string().min(1).max(200)).max(50).optional(),
  /** Of the agent's clock, e.g. `Europe/Madrid`; the machine's own when left out. */
  /** Whether the agent may wake itself later. */
  schedules: z.enum(['on', 'off']).default('on'),
  timezone: z.string().refine(isTimezone, 'must be a time zone such as "Europe/Madrid" or "UTC"').optional(),
  /** Model round trips in one turn. */
  maxTurns: z.int().min(1).max(10_000).optional(),
  timeLimits: timeLimitsSchema.default(DEFAULT_TIME_LIMITS),
  /** Fixed answers to commands, by name: `{"hours": "We are open from 9 to 5."}`. */
  replies: z
    .record(
      z.string(),
      z.union([
        z.string().min(1).max(MAX_REPLY),
        z.strictObject({
          text: z.string().min(1).max(MAX_REPLY),
          help: z.string().min(1).max(200).optional(),
        }),
      ]),
    )
    .optional(),
  background: backgroundSchema.default(DEFAULT_BACKGROUND),
  /** Handed to Claude Code as its settings, apart from what this file decides itself. */
  claude: z.record(z.string(), z.json()).optional(),
});

export const skillSchema = z.object({
  name: z.string().regex(NAME_PATTERN, 'use lower-case letters, digits and "-"'),
  description: z.string().min(1),
  /** The CLI changes to it for the skill. */
  model: z.string().min(1).optional(),
  /** Offered to people as a command. */
  command: z.stringbool({ truthy: ['true'], falsy: ['false'] }).optional(),
});

function isTimezone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

export type McpServer = z.infer<typeof stdioServer> | z.infer<typeof remoteServer>;
export type TimeLimits = z.infer<typeof timeLimitsSchema>;
export type AgentSettings = z.infer<typeof settingsSchema>;

export interface Subagent {
  readonly description: string;
  readonly prompt: string;
  readonly tools?: readonly string[];
  readonly model?: string;
}

export interface Skill {
  readonly name: string;
  readonly description: string;
  readonly model?: string | undefined;
  readonly command?: boolean | undefined;
  /** The skill's folder. */
  readonly path: string;
}

/** An agent as its folder describes it, checked. */
export interface AgentFolder {
  readonly path: string;
  readonly systemPrompt: string;
  readonly agents: Readonly<Record<string, Subagent>>;
  readonly mcpServers: Readonly<Record<string, McpServer>>;
  readonly skills: readonly Skill[];
  readonly settings: AgentSettings;
  /** Tools that are refused whatever the settings allow. */
  readonly denied?: readonly string[];
}
