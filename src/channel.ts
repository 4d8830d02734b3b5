// `hybrid-sessions/channel`: what a channel of your own is made of. Its contract, to be run against a fake of the platform,
// is `hybrid-sessions/testing/contracts/channel`.
import './node-version.ts';

export { readBody } from './bounded-body.ts';
export { type ButtonCode, buttonsOf, pressOf } from './channels/button-codes.ts';
export {
  type ChannelDescriptor,
  type ConfigSetting,
  defineChannel,
  type InletContext,
  type OutgoingContext,
  type Part,
  type SecretSetting,
  type Settings,
  type SettingsFor,
  type WebhookHandler,
  type WebhookRoute,
} from './channels/descriptor.ts';
export type { Finding, Probe } from './channels/finding.ts';
export { callPlatform, jsonOf, type PlatformCall } from './channels/platform-call.ts';
export { replyTexts } from './channels/reply-texts.ts';
export { takeTurn } from './channels/take-turn.ts';
export type { AnswerInput } from './core/answer.ts';
export { systemClock } from './core/clock.ts';
export * from './core/errors.ts';
export type { Conversation } from './core/ids.ts';
export { errorFields, type Log, silentLog } from './core/log.ts';
export { type Json, type TurnRequest, type TurnRequestInput, turnRequest } from './core/messages.ts';
export type {
  Channel,
  ChannelCapabilities,
  ChannelNotes,
  Clock,
  EarlierReplies,
  FetchedFile,
  ProgressSink,
  SendContext,
  TurnEvent,
} from './core/ports.ts';
export type { Question } from './core/question.ts';
export { decisionText } from './core/question-words.ts';
export type { Reply } from './core/records.ts';
export { keepShowing, keepTyping, openStream, type ProgressSurface } from './core/stream-progress.ts';
export { cutText } from './text/cut-text.ts';
