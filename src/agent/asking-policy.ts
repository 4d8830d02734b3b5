// The calls that people decide about: which they are (`tools.ask` of the agent folder, and what would otherwise be withheld
// because there is no wall), and what becomes of each. The first one of a message is held by the CLI and runs by itself once it
// is allowed; the CLI can hold only one, so the others are told to be made again, and people are asked about all of them at
// once. Consent, not a wall: whoever has a shell here is past it.
import { createHash } from 'node:crypto';
import { type Asked, type AskedCall, type DecidedCall, MAX_ASKED_CALLS } from '../core/asked-call.ts';
import type { AgentRun } from '../core/ports/execution.ts';
import { isListed, speakerOf } from '../core/principal.ts';
import type { AgentFolder } from './agent-folder.ts';
import { ASK_TOOL, choicesOf, describeCall } from './asked-words.ts';
import type { ToolCall } from './tool-call.ts';

export type AskVerdict =
  | { readonly allow: true; readonly input?: Readonly<Record<string, unknown>> }
  | { readonly allow: false; readonly reason: string }
  | { readonly hold: true };

export interface AskingCall extends ToolCall {
  readonly id: string;
  /** Made by a subagent, whose conversation cannot wait. */
  readonly inSubagent: boolean;
}

export interface Asking {
  /** Somebody may decide about what runs without a wall: those named or, where nobody is, whoever holds the server's key. */
  readonly withoutWall: boolean;
  /** null: nobody has to be asked, and what else is allowed decides. */
  judge(call: AskingCall, mustAsk: boolean): AskVerdict | null;
  /** It was held, and this run is to take it up with what people decided. */
  isHeld(id: string): boolean;
  /** Why a held call does not run; null when it may. */
  refusalOf(id: string): string | null;
  /** The CLI would not hold it after all: it has to be made again. */
  notHeld(id: string): string;
  /** What people have to decide now; null when there is nothing. */
  asked(): Asked | null;
}

/** They change nothing, so they may run while an earlier call of the same message waits. */
const HARMLESS = ['Read', 'Glob', 'Grep', 'WebFetch', 'WebSearch', 'TaskList', 'TaskGet', 'Skill'];

const AGAIN =
  'This call has not run yet: the person is asked about it together with another call of the same message. When you go on, ' +
  'make exactly the same call again: it runs if it was allowed, and you are told if it was not.';
const BEHIND =
  'This call has not run: an earlier call of the same message waits for the person. Make it again when that one has its result.';
const IN_SUBAGENT =
  'This call needs the permission of a person, who can only be asked in the main conversation. End your work and report ' +
  'exactly which call you need, so that it can be made there.';
const TOO_MANY =
  'Too many calls wait for the person already. Make this one again when those have their results.';

export function createAsking(
  { settings }: Pick<AgentFolder, 'settings'>,
  run: Pick<AgentRun, 'directory' | 'request' | 'decided'>,
  alreadyMade: ReadonlySet<string> = new Set(),
): Asking {
  const { workspace } = run.directory;
  const { approvers = null, expiresAfterHours } = settings.approvals;
  const calls: AskedCall[] = [];
  const granted = run.decided?.granted ?? [];
  /** Decided calls that have not been made yet. */
  const left = new Map<string, DecidedCall>();
  for (const call of run.decided?.calls ?? []) if (!alreadyMade.has(call.id)) left.set(call.id, call);

  function decided(call: AskingCall, hash: string): DecidedCall | null {
    const byId = left.get(call.id);
    const match = byId ?? [...left.values()].find((one) => one.waits === 'again' && one.hash === hash);
    if (!match) return null;
    left.delete(match.id);
    return match;
  }

  function verdictOf({ verdict, reason, answers, by }: DecidedCall, input: unknown): AskVerdict {
    // The folder may name others by now.
    if (!answers && approvers !== null && !isListed(approvers, by)) {
      return { allow: false, reason: 'Who allowed this may not do so any more.' };
    }
    if (verdict === 'deny') return { allow: false, reason: reason ?? 'The person did not allow this.' };
    if (!answers) return { allow: true };
    return { allow: true, input: { ...(input as Record<string, unknown>), answers } };
  }

  return {
    withoutWall: settings.approvals.approvers !== undefined || speakerOf(run.request).id === null,
    judge(call, mustAsk) {
      const hash = hashOf(call);
      const known = call.inSubagent ? null : decided(call, hash);
      if (known) return verdictOf(known, call.input);
      if (calls.length > 0 && !mustAsk && !call.inSubagent && !HARMLESS.includes(call.tool)) {
        return { allow: false, reason: BEHIND };
      }
      if (!mustAsk) return null;
      const isGranted = granted.some(
        (rule) => rule.tool === call.tool && (rule.hash === null || rule.hash === hash),
      );
      if (isGranted && call.tool !== ASK_TOOL) return { allow: true };
      if (call.inSubagent) return { allow: false, reason: IN_SUBAGENT };
      if (calls.length >= MAX_ASKED_CALLS) return { allow: false, reason: TOO_MANY };
      const waits = calls.length === 0 ? 'held' : 'again';
      const choices = call.tool === ASK_TOOL ? choicesOf(call.input) : undefined;
      if (choices?.length === 0) return { allow: false, reason: 'Ask at least one question.' };
      const { id, tool } = call;
      const covers = tool === 'Bash' ? 'call' : 'tool';
      const words = describeCall(call, workspace);
      calls.push({ id, tool, ...words, hash, waits, covers, ...(choices && { choices }) });
      return waits === 'held' ? { hold: true } : { allow: false, reason: AGAIN };
    },
    isHeld: (id) => left.get(id)?.waits === 'held',
    refusalOf(id) {
      const call = left.get(id);
      const verdict = call && verdictOf(call, {});
      return verdict && 'reason' in verdict ? verdict.reason : null;
    },
    notHeld(id) {
      const at = calls.findIndex((call) => call.id === id);
      if (at >= 0) calls[at] = { ...calls[at]!, waits: 'again' };
      return AGAIN;
    },
    asked() {
      if (calls.length === 0) return null;
      const expiresAfterSec = expiresAfterHours === undefined ? null : expiresAfterHours * 3_600;
      return { calls, approvers: approvers === null ? null : [...approvers], expiresAfterSec };
    },
  };
}

/** Where no call is ever made. */
export const NOTHING_ASKED: Asking = {
  withoutWall: false,
  judge: () => null,
  isHeld: () => false,
  refusalOf: () => null,
  notHeld: () => AGAIN,
  asked: () => null,
};

/** Of what a call does: words that only describe it may change. */
export function hashOf({ tool, input }: Pick<ToolCall, 'tool' | 'input'>): string {
  const fields = typeof input === 'object' && input !== null ? { ...(input as object) } : {};
  if (tool === 'Bash') {
    const { command, run_in_background } = fields as Record<string, unknown>;
    return digest([tool, command, run_in_background === true]);
  }
  return digest([tool, sorted(fields)]);
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return entries.map(([key, item]) => [key, sorted(item)]);
}

function digest(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('base64url');
}
