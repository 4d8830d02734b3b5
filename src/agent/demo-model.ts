// The demo model: lets everything else be real where there is no account. It speaks the Messages API on loopback,
// follows a handful of plain rules, calls real tools, and says what it is. It sends nothing anywhere, and knows only
// what is in the conversation it is sent.

import { oneLine } from '../text/cut-text.ts';
import { CONTINUATION } from './continuation-text.ts';
import { helpText, introduction } from './demo/help.ts';
import { type Intent, intentOf } from './demo/intent.ts';
import { recall } from './demo/recall.ts';
import { resultsText } from './demo/results.ts';
import type { ModelEndpoint } from './environment.ts';
import { isPrompt, lastPromptIndex, type ModelRequest, type ToolUse } from './model-messages.ts';
import type { ModelBlock, ModelReply } from './model-reply.ts';
import { createModelServer } from './model-server.ts';

export interface DemoModel {
  readonly endpoint: ModelEndpoint;
  close(): Promise<void>;
}

export async function createDemoModel(options: { readonly port?: number } = {}): Promise<DemoModel> {
  const server = await createModelServer({ respond: answerAsDemo, ...options });
  return { endpoint: { baseUrl: server.url, demo: true }, close: server.close };
}

/** Milliseconds between pieces: slow enough to see it stream. */
const PAUSE_MS = 12;
const SLOW_PAUSE_MS = 150;
const LOWEST_COUNT = 1;

/** The whole model: one function from a request to a reply. */
export function answerAsDemo(request: ModelRequest): ModelReply {
  const { messages } = request;
  const start = lastPromptIndex(messages);
  const prompt = messages[start]?.text ?? '';
  const since = messages.slice(start + 1);
  const uses = since.flatMap((message) => message.toolUses);
  const results = since.flatMap((message) => message.toolResults);
  const first = !messages
    .slice(0, start)
    .some((message) => message.role === 'assistant' && message.text !== '');
  const say = (text: string, pauseMs = PAUSE_MS, pieceLength = 24): ModelReply => ({
    blocks: [{ type: 'text', text: first ? `${introduction()}\n\n${text}` : text }],
    pauseMs,
    pieceLength,
  });

  if (results.length > 0) {
    const followUp = skillScript(prompt, uses, since.map((message) => message.text).join('\n'));
    if (followUp && request.tools.includes('Bash')) return { blocks: [followUp] };
    return say(resultsText(uses, results));
  }
  if (prompt.startsWith(CONTINUATION))
    return say('I was cut off before. A demo model cannot go on: ask again.');
  const intent = intentOf(prompt);
  switch (intent.kind) {
    case 'tools':
      return useTools(intent, request, say);
    case 'count': {
      const numbers = Array.from({ length: intent.to }, (_, index) => String(index + LOWEST_COUNT));
      return say(`${numbers.join(', ')}.`, SLOW_PAUSE_MS, 4);
    }
    case 'slowly':
      return say(intent.text, SLOW_PAUSE_MS, 4);
    case 'remember':
      return say(`Noted: ${intent.text}\n\nAsk “what do you remember?” at any time, also after a restart.`);
    case 'recall':
      return say(recall(messages.slice(0, start)));
    case 'help':
      return say(helpText());
    case 'other': {
      const earlier = messages.slice(0, start).filter(isPrompt).length;
      return say(
        `I read “${oneLine(prompt, 80)}”, but as a demo model I only follow simple orders (say \`help\` for the list). ` +
          `I see ${earlier} earlier ${earlier === 1 ? 'message' : 'messages'} of yours in this chat.`,
      );
    }
  }
}

function useTools(
  intent: Extract<Intent, { kind: 'tools' }>,
  request: ModelRequest,
  say: (text: string) => ModelReply,
): ModelReply {
  const missing = intent.calls.find((call) => !request.tools.includes(call.name));
  if (missing) {
    return say(
      `That needs the tool \`${missing.name}\`, which this agent does not have (see its settings.json).`,
    );
  }
  return { blocks: intent.calls.map((call): ModelBlock => ({ type: 'tool_use', ...call })) };
}

/** After `use the skill NAME on FILE`: runs the script that the skill names, once. */
function skillScript(prompt: string, uses: readonly ToolUse[], loaded: string): ModelBlock | null {
  if (uses.at(-1)?.name !== 'Skill') return null;
  const folder = /Base directory for this skill: (.+)/.exec(loaded)?.[1]?.trim();
  const script = /\bscripts\/[\w.-]+/.exec(loaded)?.[0];
  const file = /\bon\s+(\S+)\s*$/i.exec(prompt)?.[1];
  if (!folder || !script || !file) return null;
  const quoted = [`${folder}/${script}`, file].map((part) => `'${part.replaceAll("'", "'\\''")}'`);
  return {
    type: 'tool_use',
    name: 'Bash',
    input: { command: `bash ${quoted.join(' ')}`, description: 'Runs the script of the skill' },
  };
}
