// The small file that names an installation on AWS for `--aws`: table, bucket and queue names and no secret. `deploy`
// writes it from the stack's outputs, `npm run aws:local` for its stand-ins. Credentials come from where the AWS
// SDK always looks: environment, profile, SSO, the machine's role.
import { readFileSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import { RETENTION_DAYS } from '../core/defaults.ts';
import { Invalid } from '../core/errors.ts';
import { settingFault } from '../setting-fault.ts';

const name = z.string().min(1);

const installationSchema = z.strictObject({
  region: z.string().regex(/^[a-z]{2}(-[a-z]+)+-\d$/, 'must be a region, like eu-central-1'),
  mappingTable: name,
  stateTable: name,
  bucket: name,
  queueUrl: z.url(),
  deadLetterQueueUrl: z.url(),
  /** Names of webhook messages that are due; older deployments, and those without the HTTP API, have none. */
  webhookQueueUrl: z.url().optional(),
  /** What the names of parameters with credentials begin with; older deployments have none. */
  vault: z
    .string()
    .regex(/^(?:\/[\w.-]+)+$/, 'must be the beginning of names of parameters')
    .optional(),
  /** Timers of schedules; older deployments have none. */
  timerGroup: name.optional(),
  timerRole: name.optional(),
  timerQueue: name.optional(),
  retentionDays: z.int().min(1).max(3650).default(RETENTION_DAYS),
  /** Addresses of stand-ins and private endpoints. For one that is not named, the SDK's AWS_ENDPOINT_URL_* apply. */
  endpoints: z
    .strictObject({
      dynamodb: z.url().optional(),
      s3: z.url().optional(),
      sqs: z.url().optional(),
      ssm: z.url().optional(),
      scheduler: z.url().optional(),
    })
    .default({}),
});
/** Reads the file that names an installation; `deploy` writes it. */
export type AwsInstallation = z.input<typeof installationSchema>;

export function readInstallation(file: string): z.output<typeof installationSchema> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new Invalid('no-installation', `There is no file ${file}.`, {
      cause,
      advice: '`hybrid-sessions deploy` writes one; docs/cli.md shows it.',
    });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new Invalid('bad-installation', `${file} is not JSON.`, { cause });
  }
  return checkInstallation(value, file);
}

/** Throws `Invalid('bad-installation')` that names the field. */
export function checkInstallation(value: unknown, where: string): z.output<typeof installationSchema> {
  const parsed = installationSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new Invalid('bad-installation', `${where}: ${settingFault(parsed.error)}.`);
}

export function writeInstallation(file: string, installation: AwsInstallation): void {
  writeFileSync(file, `${JSON.stringify(installationSchema.parse(installation), null, 2)}\n`);
}

/** The stack's outputs (src/cdk/stack.ts), and the field that each one fills. */
export const OUTPUTS = {
  Region: 'region',
  MappingTable: 'mappingTable',
  StateTable: 'stateTable',
  Bucket: 'bucket',
  Queue: 'queueUrl',
  DeadLetterQueue: 'deadLetterQueueUrl',
  WebhookQueue: 'webhookQueueUrl',
  Vault: 'vault',
  TimerGroup: 'timerGroup',
  TimerRole: 'timerRole',
  TimerQueue: 'timerQueue',
  RetentionDays: 'retentionDays',
} as const;

/** Reads what `cdk deploy --outputs-file` wrote; null when it has no stack of this package. */
export function installationFrom(outputs: unknown): AwsInstallation | null {
  const stacks = Object.values((outputs ?? {}) as Record<string, Record<string, string>>);
  for (const stack of stacks) {
    const fields = Object.entries(OUTPUTS).map(([output, field]) => {
      const value = stack[output];
      return [field, field === 'retentionDays' && value !== undefined ? Number(value) : value];
    });
    const parsed = installationSchema.safeParse(Object.fromEntries(fields));
    if (parsed.success) return parsed.data;
  }
  return null;
}
