// Hands what people write to a running turn on to its CLI, which gives it to the model together with the next tool results,
// or as a prompt of its own when no tool call comes any more. The CLI says by the message's id what became of it. Each
// message stands in the conversation once: one that is there already (this turn was cut off after it) is not sent again.
import type { UUID } from 'node:crypto';
import type { SDKMessage } from '@anthropic-ai/claude-agent-sdk';
import type { TurnId } from '../core/ids.ts';
import type { AgentRun, SteeringMessage } from '../core/ports/execution.ts';
import { holds, messageUuid, type Prompt } from './continuation.ts';

export interface SteeringInput {
  see(message: SDKMessage): void;
  /** True when the CLI has ended a turn, and owes nothing for what it was sent meanwhile. */
  isAnswered(): boolean;
  /** Nothing is sent from here on. */
  close(): void;
}

/** Of the CLI's own stream; the SDK has no type for it. */
interface Lifecycle {
  readonly type: 'command_lifecycle';
  readonly command_uuid: string;
  readonly state: string;
}

export function steerInto(
  input: { push(prompt: Prompt): void },
  { steering, signal }: Pick<AgentRun, 'steering' | 'signal'>,
  transcript: string,
): SteeringInput {
  const sent = new Map<string, TurnId>();
  let closed = false;
  let hasResult = false;

  async function take({ turnId, text }: SteeringMessage): Promise<void> {
    const uuid: UUID = messageUuid(turnId);
    if (await holds(transcript, uuid)) return steering?.took(turnId);
    if (closed || signal.aborted) return;
    sent.set(uuid, turnId);
    input.push({ text, uuid });
  }

  const stop = steering?.listen((message) => void take(message).catch(() => {}));

  return {
    see(message) {
      if (message.type === 'result') hasResult = true;
      const { type, command_uuid: uuid, state } = message as unknown as Lifecycle;
      const turnId = type === 'command_lifecycle' ? sent.get(uuid) : undefined;
      if (turnId === undefined) return;
      if (state === 'started') {
        hasResult = false;
        // Stopped, the agent will not answer it any more.
        if (!signal.aborted) steering?.took(turnId);
      } else if (state !== 'queued') sent.delete(uuid);
    },
    isAnswered: () => hasResult && (sent.size === 0 || signal.aborted),
    close() {
      closed = true;
      stop?.();
    },
  };
}
