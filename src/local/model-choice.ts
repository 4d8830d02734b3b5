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
      /** What the agent's client reads: region, address and credentials. */
      readonly variables: Readonly<Record<string, string>>;
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

export function modelFrom(env: Environment, configured?: string): ModelChoice {
  const name = env.ANTHROPIC_MODEL || configured || null;
  if (name === 'demo') return { kind: 'demo', name };
  if (/^(1|true|yes)$/i.test(env.CLAUDE_CODE_USE_BEDROCK ?? '')) return bedrockFrom(env, name);
  const apiKey = env.ANTHROPIC_API_KEY || null;
  const authToken = env.ANTHROPIC_AUTH_TOKEN || null;
  const baseUrl = env.ANTHROPIC_BASE_URL || null;
  if (!apiKey && !authToken && !baseUrl) return { kind: 'demo', name: 'demo' };
  if (baseUrl) checkUrl('ANTHROPIC_BASE_URL', baseUrl);
  return { kind: 'anthropic', name, apiKey, authToken, baseUrl: baseUrl ?? ANTHROPIC_API };
}

function bedrockFrom(env: Environment, name: string | null): ModelChoice {
  const region = env.AWS_REGION || 'us-east-1';
  const own = BEDROCK_VARIABLES.flatMap((variable) => {
    const value = env[variable];
    return value ? [[variable, value] as const] : [];
  });
  const variables = Object.fromEntries(own);
  if (variables.ANTHROPIC_BEDROCK_BASE_URL)
    checkUrl('ANTHROPIC_BEDROCK_BASE_URL', variables.ANTHROPIC_BEDROCK_BASE_URL);
  const signs = variables.AWS_ACCESS_KEY_ID && variables.AWS_SECRET_ACCESS_KEY;
  if (!signs && !variables.AWS_BEARER_TOKEN_BEDROCK && !variables.ANTHROPIC_BEDROCK_BASE_URL) {
    throw new Invalid('bad-config', 'CLAUDE_CODE_USE_BEDROCK is set, but no Bedrock credentials are.', {
      advice: 'Set AWS_BEARER_TOKEN_BEDROCK, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.',
    });
  }
  // A gateway that is named without credentials signs the requests itself.
  const unsigned: Record<string, string> =
    signs || variables.AWS_BEARER_TOKEN_BEDROCK ? {} : { CLAUDE_CODE_SKIP_BEDROCK_AUTH: '1' };
  return {
    kind: 'bedrock',
    name,
    region,
    variables: { CLAUDE_CODE_USE_BEDROCK: '1', AWS_REGION: region, ...variables, ...unsigned },
  };
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
  if (choice.baseUrl === ANTHROPIC_API) return `Claude${named}`;
  return `${new URL(choice.baseUrl).host}${named}`;
}
