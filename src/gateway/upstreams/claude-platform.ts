// Claude Platform on AWS: the Messages API behind AWS credentials. The CLI speaks the plain API to us; the workspace,
// and a signature or the workspace's key, are added here.
// https://docs.aws.amazon.com/claude-platform/latest/userguide/making-requests.html (November 2026)
import type { ClaudePlatformUpstream, Upstream } from '../model-upstream.ts';
import { createSigner } from '../sign-request.ts';
import { messagesApi } from './anthropic.ts';

export function createClaudePlatformUpstream(upstream: ClaudePlatformUpstream): Upstream {
  const { region, workspaceId, credentials, apiKey } = upstream;
  const sign = credentials && createSigner({ credentials, region, service: 'aws-external-anthropic' });
  return {
    ...messagesApi(upstream.baseUrl ?? `https://aws-external-anthropic.${region}.api.aws`),
    isDemo: false,
    async authorize(request) {
      const workspace = { 'anthropic-workspace-id': workspaceId };
      if (!sign) return { ...workspace, ...(apiKey === undefined ? {} : { 'x-api-key': apiKey }) };
      return { ...workspace, ...(await sign({ ...request, headers: { ...request.headers, ...workspace } })) };
    },
  };
}
