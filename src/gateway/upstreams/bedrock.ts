// Amazon Bedrock as the CLI speaks it. The CLI knows what Bedrock's models take, so its requests go through as they
// are; only the right to send them is added here: a signature, or the bearer token of a Bedrock API key.
import type { BedrockUpstream, Route, Upstream } from '../model-upstream.ts';
import { createSigner } from '../sign-request.ts';

const ACTIONS: Readonly<Record<string, Route['kind']>> = {
  invoke: 'message',
  'invoke-with-response-stream': 'message',
  'count-tokens': 'count',
};

/** A model's id, an inference profile's id or its ARN. */
const MODEL_ID = /^[A-Za-z0-9][A-Za-z0-9.:/_-]{0,2047}$/;

export function createBedrockUpstream(upstream: BedrockUpstream): Upstream {
  const { region, credentials, bearerToken } = upstream;
  const sign = credentials && createSigner({ credentials, region, service: 'bedrock' });
  return {
    baseUrl: new URL(upstream.baseUrl ?? `https://bedrock-runtime.${region}.amazonaws.com`),
    isDemo: false,
    // Not `x-amzn-bedrock-*`: guardrails, latency and service tier are the owner's to choose.
    forwards: /^(?:accept|content-type|user-agent|x-stainless-[\w-]+)$/,
    route(method, url) {
      const [, id = '', action = ''] = /^\/model\/([^/]+)\/([a-z-]+)$/.exec(url.pathname) ?? [];
      const kind = Object.hasOwn(ACTIONS, action) ? ACTIONS[action] : undefined;
      const model = decoded(id);
      if (kind === undefined || method !== 'POST' || !MODEL_ID.test(model)) return null;
      return { kind, model, path: `/model/${encodeURIComponent(model)}/${action}` };
    },
    async authorize(request) {
      if (sign) return await sign(request);
      return bearerToken === undefined ? {} : { authorization: `Bearer ${bearerToken}` };
    },
    ask: (model) => ({
      path: `/model/${encodeURIComponent(model)}/invoke`,
      body: {
        anthropic_version: 'bedrock-2023-05-31',
        max_tokens: 1,
        messages: [{ role: 'user', content: 'Say yes.' }],
      },
    }),
  };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return '';
  }
}
