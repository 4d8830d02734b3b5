// Reads and checks each function's environment variables once, when it starts. A missing or malformed variable stops
// the start with an error that names it. Secrets are not in the environment (see parameters.ts).
import { z } from 'zod';
import { namedModelsSchema } from '../agent/turn-models.ts';
import { browserAccessSchema } from '../core/browser-access.ts';
import { HOT_IDLE_MINUTES, RETENTION_DAYS } from '../core/defaults.ts';
import { Invalid } from '../core/errors.ts';
import { offeredCommandsSchema } from '../core/offered-commands.ts';
import { messageLimitsSchema } from '../core/tenants.ts';
import { webhookSettingsSchema } from '../core/webhooks.ts';
import { whileRunningSchema } from '../core/while-running.ts';
import { budgetsSchema } from '../gateway/budgets.ts';
import { VARIABLES } from './variables.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

const text = z.string().min(1);
const parameter = z.string().startsWith('/');
const folder = z.string().startsWith('/');
const whole = z.coerce.number().int().positive();

const base = {
  installation: text,
  logLevel: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
  mappingTable: text,
  stateTable: text,
  queueUrl: z.url(),
  retentionDays: whole.default(RETENTION_DAYS),
  tenants: z
    .literal('true')
    .optional()
    .transform((value) => value === 'true'),
};

/** Left out where there is no HTTP API: then nobody can have a webhook. */
const announcing = { webhookQueueUrl: z.url().optional() };
const webhooks = z.string().default('{}').transform(parsedJson).pipe(webhookSettingsSchema);

const outgoing = { deadLetterQueueUrl: z.url(), ...announcing };

const commands = z.string().default('[]').transform(parsedJson).pipe(offeredCommandsSchema);

const inlet = {
  limits: z.string().default('{}').transform(parsedJson).pipe(messageLimitsSchema),
  whileRunning: z.string().default('{}').transform(parsedJson).pipe(whileRunningSchema),
};

export const ingressSchema = z.object({ ...base, ...inlet, commands });

export const apiSchema = z.object({
  ...base,
  ...inlet,
  ...announcing,
  webhooks,
  bucket: text,
  apiKeyParameter: parameter,
  browsers: z.string().default('{}').transform(parsedJson).pipe(browserAccessSchema),
  maxConcurrency: whole.default(1),
  modelProvider: z.enum(['anthropic', 'bedrock', 'demo']),
  model: text.optional(),
});

export const sweepSchema = z.object({
  installation: text,
  logLevel: base.logLevel,
  mappingTable: text,
  stateTable: text,
  bucket: text,
});

export const webhooksSchema = z.object({
  installation: text,
  logLevel: base.logLevel,
  mappingTable: text,
  stateTable: text,
  webhookQueueUrl: z.url(),
  webhooks,
});

export const strandedSchema = z.object({ ...base, ...outgoing });

export const workerSchema = z.object({
  ...base,
  tenantRole: z.string().startsWith('arn:').optional(),
  ...outgoing,
  bucket: text,
  temporary: folder,
  maxWorkspaceBytes: whole,
  commands,
});

const model = {
  modelProvider: z.enum(['anthropic', 'bedrock', 'demo']),
  model: text.optional(),
  modelKeyParameter: parameter.optional(),
  modelBaseUrl: z.url().optional(),
};
const tenantModels = z.string().default('[]').transform(parsedJson).pipe(z.array(z.string()));
const budgets = z.string().default('{}').transform(parsedJson).pipe(budgetsSchema);

function parsedJson(text: string, context: z.RefinementCtx): unknown {
  try {
    return JSON.parse(text);
  } catch {
    context.addIssue('must be JSON');
    return z.NEVER;
  }
}

/** Of a worker whose agents run in its own function. */
export const sharedHostsSchema = z.object({
  stateTable: text,
  temporary: folder,
  keepSession: z
    .enum(['true', 'false'])
    .default('true')
    .transform((value) => value === 'true'),
  ...model,
  budgets,
  vault: parameter,
  tenantModels,
});

/** Of a worker whose agents run in a function of their own. */
export const isolatedHostsSchema = z.object({
  stateTable: text,
  bucket: text,
  agentHostFunction: text,
  agentMemoryMb: whole.optional(),
  gatewayUrl: z.url(),
  signIns: z
    .literal('true')
    .optional()
    .transform((value) => value !== undefined),
  gatewaySecretParameter: parameter,
  modelProvider: model.modelProvider,
  model: model.model,
  budgets,
  hotIdleMinutes: z.coerce.number().min(0).max(1_440).default(HOT_IDLE_MINUTES),
  tenantModels,
  agentModels: z.string().default('{}').transform(parsedJson).pipe(z.record(z.string(), namedModelsSchema)),
});

export const agentHostSchema = z.object({
  installation: text,
  logLevel: base.logLevel,
  temporary: folder,
  maxWorkspaceBytes: whole,
});

export const gatewaySchema = z.object({
  installation: text,
  logLevel: base.logLevel,
  mappingTable: text,
  stateTable: text,
  gatewaySecretParameter: parameter,
  ...model,
  vault: parameter,
});

export type ModelConfiguration = Pick<
  z.infer<typeof sharedHostsSchema>,
  'modelProvider' | 'model' | 'modelBaseUrl'
>;

/** Reads a function's variables. Throws `Invalid('bad-config')` that names the variable, never its value. */
export function readConfiguration<T extends z.ZodObject>(schema: T, environment: Environment): z.infer<T> {
  const values = Object.fromEntries(
    Object.entries(VARIABLES).flatMap(([field, variable]) => {
      const value = environment[variable];
      return value === undefined || value === '' ? [] : [[field, value]];
    }),
  );
  const parsed = schema.safeParse(values);
  if (parsed.success) return parsed.data;
  const wrong = parsed.error.issues.map((issue) => {
    const field = String(issue.path[0]) as keyof typeof VARIABLES;
    return `${VARIABLES[field] ?? field}: ${issue.message}`;
  });
  throw new Invalid('bad-config', `This function is not set up: ${wrong.join('; ')}.`);
}
