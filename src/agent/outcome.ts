// What a finished turn amounts to: the CLI's result, or how it failed, put into the core's words. Texts here may
// reach a chat, so they hold no path, no address and no credential.
import type { Asked } from '../core/asked-call.ts';
import type { AgentOutcome } from '../core/ports/execution.ts';
import type { ModelFailure } from '../gateway/model-gateway.ts';
import { cutText } from '../text/cut-text.ts';
import type { Crash } from './cli-process.ts';
import type { ObservedTurn } from './turn-watcher.ts';

/** Longest text of a failure, as a person reads it in the chat. */
const MAX_MESSAGE = 1_000;

export interface TurnEnd {
  readonly watched: ObservedTurn;
  /** Set when somebody asked for the end. */
  readonly stopped: 'stopped' | 'deadline' | null;
  readonly crash: Crash | null;
  readonly broken: unknown;
  /** What the gateway saw of a model that is away. */
  readonly away: ModelFailure | null;
  readonly demo: boolean;
  /** What people have to decide before the agent can go on. */
  readonly asked: Asked | null;
}

export function outcomeOf(end: TurnEnd): AgentOutcome {
  const { result } = end.watched;
  const { contextTokens } = end.watched;
  const base = { demo: end.demo, ...(contextTokens > 0 ? { contextTokens } : {}) };
  // A turn that finished before the wish to stop it arrived is finished.
  const finished = result?.subtype === 'success' && !result.is_error;
  if (end.stopped && !finished) return { ...base, status: end.stopped, text: end.watched.text };
  if (finished && result.subtype === 'success') {
    // Without a word of the model: what the CLI itself has to say.
    const { asked } = end;
    return {
      ...base,
      status: 'ok',
      text: end.watched.answer || result.result.trim(),
      ...(asked && { asked }),
    };
  }
  if (end.watched.modelError?.kind === 'max_output_tokens' && end.watched.answer !== '') {
    return { ...base, status: 'ok', text: `${end.watched.answer}\n\n${UNFINISHED}` };
  }
  return { ...base, status: 'failed', text: end.watched.text, failure: failureOf(end) };
}

const UNFINISHED = '_(This answer is longer than I can write at once. Ask me to go on for the rest.)_';

/** The CLI itself says that it found no conversation: no need to look whether it went on from one. */
export function isAlreadyLost({ result }: ObservedTurn): boolean {
  return result !== null && 'errors' in result && result.errors.some((text) => text.includes(NOT_FOUND));
}

const NOT_FOUND = 'No conversation found';

function failureOf(end: TurnEnd): NonNullable<AgentOutcome['failure']> {
  const { result, modelError, retry } = end.watched;
  const errors = [...(result && 'errors' in result ? result.errors : []), messageOf(end.broken)];
  if (errors.some((text) => text.includes(NOT_FOUND))) {
    return { code: 'resume-lost', message: 'The agent did not find the conversation it was to go on with.' };
  }
  if (end.away?.told !== undefined) return agentError(end.away.told);
  if (result?.subtype === 'success') {
    return modelFailure(result.api_error_status ?? null, modelError?.text || result.result, end.away);
  }
  if (result?.subtype === 'error_max_turns') {
    return agentError('The agent reached the limit of steps that one turn may take.');
  }
  if (result?.subtype === 'error_max_budget_usd')
    return agentError('The agent reached its budget for one turn.');
  if (retry && !result) return modelFailure(retry.status, '', end.away);
  if (end.crash) {
    const told = agentError(`The agent process ended unexpectedly: ${end.crash.reason}.`);
    return end.crash.killed ? { ...told, code: 'agent-crashed' } : told;
  }
  const told = errors.find((text) => text !== '' && !text.startsWith('[ede_diagnostic]'));
  return agentError(told ? `The agent failed: ${withoutPlaces(told)}` : 'The agent ended without an answer.');
}

function modelFailure(
  seen: number | null,
  text: string,
  away: ModelFailure | null,
): NonNullable<AgentOutcome['failure']> {
  const status = away ? away.status : seen;
  if (status === null || status === 408 || status === 409 || status === 429 || status >= 500) {
    const reason = status === null ? 'no connection' : `HTTP ${status}`;
    const message = `The model cannot be reached right now (${reason}).`;
    return { code: 'model-unavailable', message, status, ...pick(away) };
  }
  if (status === 401 || status === 403) {
    return agentError(`The model's server refused the credentials of this bot (HTTP ${status}).`);
  }
  return agentError(`The model's server refused the request: ${withoutPlaces(text)}`);
}

function pick(away: ModelFailure | null): { readonly retryAfterMs?: number } {
  return away?.retryAfterMs === undefined ? {} : { retryAfterMs: away.retryAfterMs };
}

function agentError(message: string): NonNullable<AgentOutcome['failure']> {
  return { code: 'agent-error', message: cutText(message, MAX_MESSAGE, '…') };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : '';
}

/** Addresses and absolute paths of this machine are of no use to a reader in a chat. */
function withoutPlaces(text: string): string {
  return text
    .replace(/\s*(?:If it persists, )?check [^.]*gateway[\s\S]*$/i, '')
    .replace(/(?<![\w:/])\/(?:[\w.@+-]+\/)+[\w.@+-]*/g, '(a path)')
    .replace(/\b(?:127\.0\.0\.1|localhost):\d+/g, '(the gateway)')
    .trim();
}
