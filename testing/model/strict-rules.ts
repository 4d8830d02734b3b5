// What the real Messages API refuses in a request and a scripted model would let pass: a prompt over the context limit, an
// image that is none, a tool call without its result. `strict` puts these rules in front of a responder.
import type { ModelRequest } from '../../src/agent/model-messages.ts';
import type { ModelFault, Responder } from '../../src/agent/model-server.ts';

export interface StrictLimits {
  /** Tokens of one request, four characters each. */
  readonly contextTokens?: number;
}

interface Block {
  readonly type: string;
  readonly id?: string;
  readonly tool_use_id?: string;
  readonly content?: unknown;
  readonly source?: { readonly data?: string };
}

export function strict(respond: Responder, limits: StrictLimits = {}): Responder {
  return (request) => refusalOf(request, limits) ?? respond(request);
}

function refusalOf(request: ModelRequest, { contextTokens }: StrictLimits): ModelFault | null {
  const refuse = (message: string): ModelFault => ({ fault: 'status', status: 400, message });
  const { messages } = request.raw as { messages: readonly { role: string; content: unknown }[] };
  let called: string[] = [];
  for (const [index, { role, content }] of messages.entries()) {
    const blocks = Array.isArray(content) ? (content as Block[]) : [];
    for (const image of imagesOf(blocks)) {
      if (!isPng(image))
        return refuse(`messages.${index}.content.0.image.source.base64: Could not process image`);
    }
    if (role === 'system') continue;
    const answered = blocks.flatMap((block) => block.tool_use_id ?? []);
    if (role === 'user') {
      const missing = called.filter((id) => !answered.includes(id));
      const unasked = answered.filter((id) => !called.includes(id));
      if (missing.length > 0)
        return refuse(`messages.${index}: tool_use ids without tool_result: ${missing}`);
      if (unasked.length > 0) return refuse(`messages.${index}: unexpected tool_use_id: ${unasked}`);
    }
    called =
      role === 'assistant'
        ? blocks.flatMap((block) => (block.type === 'tool_use' ? (block.id ?? []) : []))
        : [];
  }
  const tokens = Math.ceil(JSON.stringify(request.raw).length / 4);
  if (contextTokens !== undefined && tokens > contextTokens) {
    return refuse(`prompt is too long: ${tokens} tokens > ${contextTokens} maximum`);
  }
  return null;
}

function imagesOf(blocks: readonly Block[]): Buffer[] {
  return blocks.flatMap((block): Buffer[] => {
    if (block.type === 'image') return [Buffer.from(block.source?.data ?? '', 'base64')];
    return block.type === 'tool_result' && Array.isArray(block.content) ? imagesOf(block.content) : [];
  });
}

const isPng = (bytes: Buffer): boolean =>
  bytes.subarray(1, 4).toString('latin1') === 'PNG' && bytes.includes('IEND');
