// The model of a system under attack: it has each turn run the tools that an attack wants, keeps what they answered and what
// reached it, speaks with the victims, and goes on for long in the turn that lasts while the attacks do.
import { randomBytes } from 'node:crypto';
import { lastPromptIndex, type ModelRequest, type ToolResult } from '../../src/agent/model-messages.ts';
import type { ModelReply } from '../model/scripted-model.ts';
import type { ToolCall } from './attack-case.ts';
import { bash, canary } from './surroundings.ts';

export const MODEL = 'claude-sonnet-4-5';
export const VICTIM_WORDS = 'Keep this to yourself:';
export const LIVE_WORDS = 'Work on this for a long time:';
export const COUNTED = 'a call that is to be counted';
const COUNTED_TOKENS = 77_777;

export interface AttackAgent {
  respond(request: ModelRequest): ModelReply;
  /** Says the words of a plan, which `send` brings into a chat, and returns what its tools answered. */
  run(
    calls: readonly ToolCall[],
    send: (words: string) => Promise<{ readonly inputTokens: number }>,
  ): Promise<readonly ToolResult[]>;
  /** Bodies that reached the model, of everybody but the victims. */
  readonly bodies: readonly string[];
  /** What was asked by calls that were not a conversation's. */
  readonly direct: readonly string[];
  /** True when the turn that goes on has begun to speak. */
  isLive(): boolean;
  /** Whether a turn's usage shows the call of COUNTED. Throws when that call never came. */
  isCounted(): boolean;
  /** From here on `bodies` counts. */
  begin(): void;
}

export function createAttackAgent(): AttackAgent {
  const plans = new Map<string, readonly ToolCall[]>();
  const answers = new Map<string, readonly ToolResult[]>();
  const bodies: string[] = [];
  const direct: string[] = [];
  const usages: number[] = [];
  let bodiesOfLive = 0;

  /** Writes a file, then speaks on. */
  function liveReply(request: ModelRequest, start: number): ModelReply {
    bodiesOfLive += 1;
    if (request.messages.length === start + 1)
      return {
        blocks: [{ type: 'tool_use', ...bash(`echo ${canary('livefile')} > live-secret.txt`) }],
      };
    return { ...say('on and on '.repeat(400)), pieceLength: 10, pauseMs: 1_000 };
  }

  return {
    bodies,
    direct,
    isLive: () => bodiesOfLive > 1,
    begin: () => void bodies.splice(0),
    respond(request) {
      const start = lastPromptIndex(request.messages);
      const prompt = request.messages[start]?.text ?? '';
      const plan = /PLAN (\w+)/.exec(prompt)?.[1] ?? '';
      if (!isOfVictim(request)) bodies.push(JSON.stringify(request.raw));
      if (request.messages.length === 1 && !/PLAN|text/.test(prompt)) direct.push(prompt);
      if (prompt === COUNTED)
        return { ...say('counted'), usage: { inputTokens: COUNTED_TOKENS, outputTokens: 1 } };
      if (prompt.includes(LIVE_WORDS)) return liveReply(request, start);
      const calls = plans.get(plan);
      if (!calls) return say(prompt.includes('what is your key') ? 'none' : 'noted');
      const results = request.messages.slice(start + 1).flatMap((message) => message.toolResults);
      answers.set(plan, results);
      const next = calls.slice(results.length);
      return next.length === 0
        ? say('done')
        : { blocks: next.map((call) => ({ type: 'tool_use', ...call })) };
    },
    async run(calls, send) {
      const plan = randomBytes(6).toString('hex');
      plans.set(plan, calls);
      usages.push((await send(`PLAN ${plan}`)).inputTokens);
      return answers.get(plan) ?? [];
    },
    isCounted() {
      if (!direct.includes(COUNTED)) throw new Error('The call did not reach the model.');
      return usages.some((tokens) => tokens >= COUNTED_TOKENS);
    },
  };
}

const say = (text: string): ModelReply => ({ blocks: [{ type: 'text', text }] });

function isOfVictim(request: ModelRequest): boolean {
  return request.messages.some(({ text }) => text.includes(VICTIM_WORDS) || text.includes(LIVE_WORDS));
}
