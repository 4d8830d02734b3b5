// From what a model is reached by to the way there.
import type { ModelUpstream, Upstream } from './model-upstream.ts';
import { createAnthropicUpstream } from './upstreams/anthropic.ts';
import { createBedrockUpstream } from './upstreams/bedrock.ts';
import { createClaudePlatformUpstream } from './upstreams/claude-platform.ts';

export function createUpstream(upstream: ModelUpstream): Upstream {
  switch (upstream.kind) {
    case 'bedrock':
      return createBedrockUpstream(upstream);
    case 'claude-platform':
      return createClaudePlatformUpstream(upstream);
    default:
      return createAnthropicUpstream(upstream);
  }
}
