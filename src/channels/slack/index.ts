// Everything needed to run a Slack app: the Web API, the channel that answers, and the way in.
import '../../node-version.ts';

export { type AllowList, parseAllowList, type SlackPerson } from './allow-list.ts';
export {
  type Block,
  createSlackApi,
  type MessageContent,
  type SlackApi,
  type SlackApiOptions,
} from './api.ts';
export { createSlackChannel, type SlackChannelOptions } from './channel.ts';
export type { SlackIdentity } from './identity.ts';
export type { EventPolicy } from './parse-event.ts';
export type { Destination } from './reply-target.ts';
export { createSlackWebhook, type SlackWebhookOptions } from './webhook.ts';
