// One session on this machine for tests of the runner: a workplace in a temporary folder, a scripted model, and
// `turn` that runs one message through the real CLI. Tools are called by writing the call as the message.
import { randomUUID } from 'node:crypto';
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AgentFolder, loadAgentFolder } from '../../src/agent/agent-folder.ts';
import { lastPromptIndex, type ModelRequest } from '../../src/agent/model-messages.ts';
import { type AgentRunnerOptions, createAgentRunner } from '../../src/agent/runner.ts';
import { createWorkplace } from '../../src/agent/workplace.ts';
import type { Decided } from '../../src/core/asked-call.ts';
import { type SessionId, sessionKeyOf, tenantId } from '../../src/core/ids.ts';
import { type TurnRequest, turnRequest } from '../../src/core/messages.ts';
import type { TurnEvent } from '../../src/core/ports/channel.ts';
import type {
  AgentOutcome,
  ExecutionDirectory,
  Steering,
  Workplace,
} from '../../src/core/ports/execution.ts';
import type { Lease } from '../../src/core/records.ts';
import { detectSandbox, type NoSandbox } from '../../src/host/sandbox/index.ts';
import {
  createScriptedModel,
  type ModelReply,
  type ScriptedModel,
} from '../../testing/model/scripted-model.ts';

export const EXAMPLE = join(import.meta.dirname, '../../examples/agent');
export const NO_SANDBOX: NoSandbox = {
  kind: 'none',
  reason: 'switched off by the test',
  accepted: true,
};
export const SANDBOX = await detectSandbox();

const conversation = { tenant: 'test', channel: 'http', bot: 'main', chat: 'chat', thread: null };

/** A message that makes the scripted model call these tools one after the other, then repeat what they returned. */
export function call(...calls: readonly { readonly name: string; readonly input: object }[]): string {
  return `CALL ${JSON.stringify(calls)}`;
}

export const bash = (command: string): string =>
  call({ name: 'Bash', input: { command, description: 'test' } });

/** Does what `call` asks for; answers anything else with the number of messages it was sent. */
export function obey(request: ModelRequest): ModelReply {
  const start = lastPromptIndex(request.messages);
  const prompt = request.messages[start]?.text ?? '';
  const results = request.messages.slice(start + 1).flatMap((message) => message.toolResults);
  if (!prompt.startsWith('CALL ')) return say(`seen ${request.messages.length}`);
  const calls = JSON.parse(prompt.slice(5)) as { name: string; input: Record<string, unknown> }[];
  const next = calls[results.length];
  if (!next) return say(results.map((result) => result.text).join('\n'));
  return { blocks: [{ type: 'tool_use', ...next }] };
}

export const say = (text: string): ModelReply => ({ blocks: [{ type: 'text', text }] });

export interface Fixture {
  readonly folder: AgentFolder;
  readonly model: ScriptedModel;
  readonly base: string;
  readonly workplace: Workplace;
  readonly lease: Lease;
  readonly directory: ExecutionDirectory;
  readonly events: TurnEvent[];
  /** One turn; resumes from the second on. */
  turn(text: string, options?: TurnOptions): Promise<AgentOutcome>;
  close(): Promise<void>;
}

export interface TurnOptions {
  readonly resume?: boolean;
  readonly continuing?: boolean;
  /** The message's own id; another one for each turn when left out. */
  readonly id?: string;
  readonly signal?: AbortSignal;
  readonly decided?: Decided;
  readonly sender?: TurnRequest['sender'];
  readonly steering?: Steering;
  readonly kind?: 'message' | 'steer';
  readonly model?: string;
  readonly onEvent?: (event: TurnEvent) => void;
  readonly runner?: Partial<AgentRunnerOptions>;
}

export function leaseOf(sessionId: string, fence = 1, owner = 'worker'): Lease {
  const tenant = tenantId('test');
  return { tenant, sessionId: sessionId as SessionId, sessionKey: sessionKeyOf(conversation), owner, fence };
}

export function requestOf(text: string, dedupeId: string) {
  return turnRequest({ conversation, dedupeId, text, receivedAtMs: 0 });
}

export async function createFixture(options: Partial<AgentRunnerOptions> = {}): Promise<Fixture> {
  const base = await realpath(await mkdtemp(join(tmpdir(), 'hybrid-agent-')));
  const folder = options.folder ?? (await loadAgentFolder(EXAMPLE));
  const model = await createScriptedModel(obey);
  const workplace = createWorkplace({ root: join(base, 'turns') });
  const lease = leaseOf(randomUUID());
  const directory = await workplace.open(lease);
  const events: TurnEvent[] = [];
  let turns = 0;
  return {
    folder,
    model,
    base,
    workplace,
    lease,
    directory,
    events,
    async turn(text, turn = {}) {
      const runner = createAgentRunner({
        folder,
        model: { baseUrl: model.url, apiKey: 'real-key', demo: false },
        sandbox: NO_SANDBOX,
        ...options,
        ...turn.runner,
      });
      events.length = 0;
      turns += 1;
      return runner.run({
        sessionId: lease.sessionId,
        resume: turn.resume ?? turns > 1,
        continuing: turn.continuing ?? false,
        directory,
        request: {
          ...requestOf(text, turn.id ?? `message-${turns}`),
          kind: turn.kind ?? 'message',
          sender: turn.sender ?? null,
        },
        ...(turn.decided && { decided: turn.decided }),
        ...(turn.steering && { steering: turn.steering }),
        ...(turn.model && { model: turn.model }),
        tries: 1,
        signal: turn.signal ?? new AbortController().signal,
        progress: (event) => {
          events.push(event);
          turn.onEvent?.(event);
        },
      });
    },
    async close() {
      await workplace.close(lease);
      await model.close();
      await rm(base, { recursive: true, force: true });
    },
  };
}
