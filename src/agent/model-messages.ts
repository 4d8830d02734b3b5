// A Messages API request as a responder wants to read it: what the person wrote, what the model said, which tools
// ran and what came of them. What the CLI adds for the model's eyes (system reminders) is kept apart.
import { z } from 'zod';

const textBlock = z.looseObject({ type: z.literal('text'), text: z.string() });
const contentSchema = z.union([z.string(), z.array(z.looseObject({ type: z.string() }))]);
const requestSchema = z.looseObject({
  model: z.string(),
  stream: z.boolean().optional(),
  max_tokens: z.number().optional(),
  system: z.union([z.string(), z.array(z.looseObject({ text: z.string().optional() }))]).optional(),
  messages: z.array(z.looseObject({ role: z.string(), content: contentSchema })),
  tools: z.array(z.looseObject({ name: z.string().optional() })).optional(),
});

export interface ToolUse {
  readonly id: string;
  readonly name: string;
  readonly input: Readonly<Record<string, unknown>>;
}

export interface ToolResult {
  readonly id: string;
  readonly text: string;
  readonly failed: boolean;
}

export interface ModelMessage {
  readonly role: 'user' | 'assistant';
  /** Without system reminders. Empty for a message that only carries tool results. */
  readonly text: string;
  readonly reminders: readonly string[];
  readonly toolUses: readonly ToolUse[];
  readonly toolResults: readonly ToolResult[];
}

export interface ModelRequest {
  readonly model: string;
  readonly stream: boolean;
  readonly system: string;
  readonly tools: readonly string[];
  readonly messages: readonly ModelMessage[];
  readonly raw: unknown;
}

/** null when it is not a request of the Messages API. */
export function parseModelRequest(body: unknown): ModelRequest | null {
  const parsed = requestSchema.safeParse(body);
  if (!parsed.success) return null;
  const { model, stream, system, tools, messages } = parsed.data;
  return {
    model,
    stream: stream === true,
    system: typeof system === 'string' ? system : (system ?? []).map((part) => part.text ?? '').join('\n'),
    tools: (tools ?? []).flatMap((tool) => (tool.name ? [tool.name] : [])),
    messages: messages.map(messageOf),
    raw: body,
  };
}

const REMINDER = /<system-reminder>[\s\S]*?<\/system-reminder>/g;

/** Where the CLI keeps its copy of a picture that it was given. */
const PICTURE_NOTE = /^\[Image: [^\n]*\]$/;

function messageOf(message: { role: string; content: z.infer<typeof contentSchema> }): ModelMessage {
  const texts: string[] = [];
  const reminders: string[] = [];
  const toolUses: ToolUse[] = [];
  const toolResults: ToolResult[] = [];
  const blocks: readonly { type: string; [key: string]: unknown }[] =
    typeof message.content === 'string' ? [{ type: 'text', text: message.content }] : message.content;
  for (const block of blocks) {
    if (block.type === 'text' && typeof block.text === 'string') {
      reminders.push(...(block.text.match(REMINDER) ?? []));
      const rest = block.text.replace(REMINDER, '').trim();
      if (PICTURE_NOTE.test(rest)) reminders.push(rest);
      else if (rest !== '') texts.push(rest);
    } else if (block.type === 'tool_use') {
      const input = (block.input ?? {}) as Record<string, unknown>;
      toolUses.push({ id: String(block.id), name: String(block.name), input });
    } else if (block.type === 'tool_result') {
      toolResults.push({
        id: String(block.tool_use_id),
        text: resultText(block.content),
        failed: block.is_error === true,
      });
    }
  }
  const role = message.role === 'assistant' ? 'assistant' : 'user';
  if (message.role === 'system') {
    return { role, text: '', reminders: [...reminders, ...texts], toolUses, toolResults };
  }
  return { role, text: texts.join('\n\n'), reminders, toolUses, toolResults };
}

function resultText(content: unknown): string {
  if (typeof content === 'string') return content.replace(REMINDER, '').trimEnd();
  if (!Array.isArray(content)) return '';
  const texts = content.flatMap((part) => {
    const parsed = textBlock.safeParse(part);
    return parsed.success ? [parsed.data.text.replace(REMINDER, '').trimEnd()] : [];
  });
  return texts.filter((text) => text !== '').join('\n');
}

/** What the CLI writes in the person's name: the body of a skill, the note of a stop. */
const NOT_WRITTEN = /^(?:Base directory for this skill:|\[Request interrupted by user)/;

/** True for a message in which the person wrote something. */
export function isPrompt(message: ModelMessage): boolean {
  const written = message.role === 'user' && message.toolResults.length === 0 && message.text !== '';
  return written && !NOT_WRITTEN.test(message.text);
}

/** Where the current exchange begins: the last message in which the person wrote something. */
export function lastPromptIndex(messages: readonly ModelMessage[]): number {
  return messages.findLastIndex(isPrompt);
}
