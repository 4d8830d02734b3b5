// The model gateway: the way from agents to models that holds the right to call them, counts and keeps budgets.
import '../node-version.ts';

export type { Allowance, Budgets } from './budgets.ts';
export { createUpstreamConnections, type UpstreamConnections } from './connections.ts';
export {
  createModelGateway,
  type GatewayTurn,
  type ModelFailure,
  type ModelGateway,
  type ModelGatewayOptions,
  type OpenTurn,
} from './model-gateway.ts';
export type {
  AnthropicUpstream,
  AwsCredentials,
  BedrockUpstream,
  ClaudePlatformUpstream,
  ModelUpstream,
} from './model-upstream.ts';
export { LIST_PRICES, type ModelPrice, type ModelPrices, PRICES_AS_OF, PRICES_FROM } from './prices.ts';
export {
  createStatelessGateway,
  type StatelessGateway,
  type StatelessGatewayOptions,
} from './stateless-gateway.ts';
export type { TurnGrant } from './turn-grant.ts';
export { signTurnToken } from './turn-token.ts';
