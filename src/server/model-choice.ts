// Which model answers. An account in the environment decides; with none, the demo model on loopback plays it, and
// everything that shows its replies says so.
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
      readonly baseUrl: string | null;
      readonly bearerToken: string | null;
      readonly credentials: {
        readonly accessKeyId: string;
        readonly secretAccessKey: string;
        readonly sessionToken: string | null;
      } | null;
    };

export const ANTHROPIC_API = 'https://api.anthropic.com';

export function modelFrom(
  env: Readonly<Record<string, string | undefined>>,
  configured?: string,
): ModelChoice {
  const name = env.ANTHROPIC_MODEL || configured || null;
  if (name === 'demo') return { kind: 'demo', name };
  if (/^(1|true|yes)$/i.test(env.CLAUDE_CODE_USE_BEDROCK ?? '')) return bedrockFrom(env, name);
  const apiKey = env.ANTHROPIC_API_KEY || null;
  const authToken = env.ANTHROPIC_AUTH_TOKEN || null;
  const baseUrl = env.ANTHROPIC_BASE_URL || null;
  if (!apiKey && !authToken && !baseUrl) return { kind: 'demo', name: 'demo' };
  if (baseUrl && !/^https?:$/.test(URL.canParse(baseUrl) ? new URL(baseUrl).protocol : '')) {
    throw new Invalid('bad-config', 'ANTHROPIC_BASE_URL must be an http or https URL.', {
      advice: 'Change the environment variable.',
    });
  }
  return { kind: 'anthropic', name, apiKey, authToken, baseUrl: baseUrl ?? ANTHROPIC_API };
}

function bedrockFrom(env: Readonly<Record<string, string | undefined>>, name: string | null): ModelChoice {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = env;
  const credentials =
    accessKeyId && secretAccessKey
      ? { accessKeyId, secretAccessKey, sessionToken: env.AWS_SESSION_TOKEN || null }
      : null;
  const bearerToken = env.AWS_BEARER_TOKEN_BEDROCK || null;
  const baseUrl = env.ANTHROPIC_BEDROCK_BASE_URL || null;
  if (!credentials && !bearerToken && !baseUrl) {
    throw new Invalid('bad-config', 'CLAUDE_CODE_USE_BEDROCK is set, but no Bedrock credentials are.', {
      advice: 'Set AWS_BEARER_TOKEN_BEDROCK, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.',
    });
  }
  return {
    kind: 'bedrock',
    name,
    region: env.AWS_REGION || 'us-east-1',
    baseUrl,
    bearerToken,
    credentials,
  };
}

/** One line for people; names no secret. */
export function describeModel(choice: ModelChoice): string {
  const named = choice.name ? `, model ${choice.name}` : '';
  if (choice.kind === 'demo') return 'demo model (no account configured; set ANTHROPIC_API_KEY for Claude)';
  if (choice.kind === 'bedrock') return `Claude on Amazon Bedrock, ${choice.region}${named}`;
  if (choice.baseUrl === ANTHROPIC_API) return `Claude${named}`;
  return `${new URL(choice.baseUrl).host}${named}`;
}
