// Chooses the model. An account in the environment decides. Without one the demo model answers, on loopback, and every
// place that shows its replies says so.
import { Invalid } from '../core/errors.ts';

export type ModelChoice =
  | { readonly kind: 'demo'; readonly name: string }
  | {
      readonly kind: 'anthropic';
      readonly name: string | null;
      readonly baseUrl: string;
      readonly apiKey: string | null;
      readonly authToken: string | null;
    }
  | {
      readonly kind: 'bedrock';
      readonly name: string | null;
      readonly region: string;
      /** Region, address and credentials, as the usual variables. */
      readonly variables: Readonly<Record<string, string>>;
      /** Where the AWS SDK finds credentials, when it is to look for them; null when they are stated or nobody signs. */
      readonly lookUp: Readonly<Record<string, string>> | null;
    }
  | {
      readonly kind: 'claude-platform';
      readonly name: string | null;
      readonly region: string;
      readonly workspaceId: string;
      readonly baseUrl: string | null;
      readonly apiKey: string | null;
      readonly lookUp: Readonly<Record<string, string>> | null;
    };

type Environment = Readonly<Record<string, string | undefined>>;

export const ANTHROPIC_API = 'https://api.anthropic.com';

const BEDROCK_VARIABLES = [
  'ANTHROPIC_BEDROCK_BASE_URL',
  'AWS_BEARER_TOKEN_BEDROCK',
  'AWS_ACCESS_KEY_ID',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
] as const;

/** Worker processes get these and no other variables of AWS. */
const LOOK_UP_VARIABLES = [
  'AWS_ACCESS_KEY_ID',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
  'AWS_PROFILE',
  'AWS_CONFIG_FILE',
  'AWS_SHARED_CREDENTIALS_FILE',
  'AWS_ROLE_ARN',
  'AWS_ROLE_SESSION_NAME',
  'AWS_WEB_IDENTITY_TOKEN_FILE',
  'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI',
  'AWS_CONTAINER_CREDENTIALS_FULL_URI',
  'AWS_CONTAINER_AUTHORIZATION_TOKEN',
  'AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE',
  'AWS_EC2_METADATA_DISABLED',
] as const;

export function modelFrom(env: Environment, configured?: string): ModelChoice {
  const name = env.ANTHROPIC_MODEL || configured || null;
  if (name === 'demo') return { kind: 'demo', name };
  if (/^(1|true|yes)$/i.test(env.CLAUDE_CODE_USE_BEDROCK ?? '')) return bedrockFrom(env, name);
  if (/^(1|true|yes)$/i.test(env.CLAUDE_CODE_USE_ANTHROPIC_AWS ?? '')) return claudePlatformFrom(env, name);
  const apiKey = env.ANTHROPIC_API_KEY || null;
  const authToken = env.ANTHROPIC_AUTH_TOKEN || null;
  const baseUrl = env.ANTHROPIC_BASE_URL || null;
  if (!apiKey && !authToken && !baseUrl) return { kind: 'demo', name: 'demo' };
  if (baseUrl) checkUrl('ANTHROPIC_BASE_URL', baseUrl);
  return { kind: 'anthropic', name, apiKey, authToken, baseUrl: baseUrl ?? ANTHROPIC_API };
}

function bedrockFrom(env: Environment, name: string | null): ModelChoice {
  const region = env.AWS_REGION || 'us-east-1';
  const variables: Readonly<Partial<Record<string, string>>> = valuesOf(env, BEDROCK_VARIABLES);
  if (variables.ANTHROPIC_BEDROCK_BASE_URL)
    checkUrl('ANTHROPIC_BEDROCK_BASE_URL', variables.ANTHROPIC_BEDROCK_BASE_URL);
  const signs = variables.AWS_ACCESS_KEY_ID && variables.AWS_SECRET_ACCESS_KEY;
  const isStated = Boolean(signs || variables.AWS_BEARER_TOKEN_BEDROCK);
  // A gateway that is named without credentials signs the requests itself.
  const isUnsigned = !isStated && variables.ANTHROPIC_BEDROCK_BASE_URL !== undefined;
  return {
    kind: 'bedrock',
    name,
    region,
    variables: { AWS_REGION: region, ...valuesOf(env, BEDROCK_VARIABLES) },
    lookUp: isStated || isUnsigned ? null : valuesOf(env, LOOK_UP_VARIABLES),
  };
}

function claudePlatformFrom(env: Environment, name: string | null): ModelChoice {
  const workspaceId = env.ANTHROPIC_AWS_WORKSPACE_ID || null;
  if (workspaceId === null) {
    throw new Invalid('bad-config', 'CLAUDE_CODE_USE_ANTHROPIC_AWS is set, but no workspace is.', {
      advice: 'Set ANTHROPIC_AWS_WORKSPACE_ID to the id of your workspace (wrkspc_...).',
    });
  }
  const baseUrl = env.ANTHROPIC_AWS_BASE_URL || null;
  if (baseUrl) checkUrl('ANTHROPIC_AWS_BASE_URL', baseUrl);
  const apiKey = env.ANTHROPIC_AWS_API_KEY || null;
  return {
    kind: 'claude-platform',
    name,
    region: env.AWS_REGION || 'us-east-1',
    workspaceId,
    baseUrl,
    apiKey,
    lookUp: apiKey === null ? valuesOf(env, LOOK_UP_VARIABLES) : null,
  };
}

function valuesOf(env: Environment, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = env[name];
      return value ? [[name, value] as const] : [];
    }),
  );
}

function checkUrl(name: string, url: string): void {
  if (URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)) return;
  throw new Invalid('bad-config', `${name} must be an http or https URL.`, {
    advice: 'Change the environment variable.',
  });
}

/** One line for people; names no secret. */
export function describeModel(choice: ModelChoice): string {
  const named = choice.name ? `, model ${choice.name}` : '';
  if (choice.kind === 'demo') return 'demo model: a small built-in program, not Claude';
  if (choice.kind === 'bedrock') return `Claude on Amazon Bedrock, ${choice.region}${named}`;
  if (choice.kind === 'claude-platform') return `Claude Platform on AWS, ${choice.region}${named}`;
  if (choice.baseUrl === ANTHROPIC_API) return `Claude${named}`;
  return `${new URL(choice.baseUrl).host}${named}`;
}
