// In the place of a server that wants its person to sign in: a server with one tool, so that the agent knows what there
// would be, and can ask for the link when it is needed. It speaks as much of the protocol (streamable HTTP, without sessions) as
// a client needs to find and call that tool.
import { z } from 'zod';
import type { Answer, Call } from '../../gateway/call.ts';

/** A name that no server has. */
export const SIGN_IN_TOOL = 'hybrid_sessions_sign_in';

const requestSchema = z.object({
  id: z.union([z.string(), z.number()]).optional(),
  method: z.string(),
  params: z.looseObject({}).optional(),
});

/** `ask`: the agent wants the person to get a link. */
export async function answerAsConnectTool(
  server: string,
  call: Call,
  ask: () => Promise<void>,
): Promise<Answer> {
  if (call.method !== 'POST') return { status: 405, headers: {}, body: '' };
  const parsed = requestSchema.safeParse(parse(call.body));
  if (!parsed.success) return reply(400, null, { error: { code: -32_600, message: 'Not a request.' } });
  const { id, method, params } = parsed.data;
  // A notification.
  if (id === undefined) return { status: 202, headers: {}, body: '' };
  switch (method) {
    case 'initialize':
      return reply(200, id, {
        result: {
          protocolVersion: params?.protocolVersion ?? '2025-06-18',
          capabilities: { tools: {} },
          serverInfo: { name: server, version: '1.0.0' },
        },
      });
    case 'ping':
      return reply(200, id, { result: {} });
    case 'tools/list':
      return reply(200, id, { result: { tools: [toolOf(server)] } });
    case 'tools/call': {
      await ask();
      const isAnother = params?.name !== SIGN_IN_TOOL;
      const text = `${isAnother ? `${server} wants a new sign-in. ` : ''}Your reply will end with a link to sign in to ${server}. Say so briefly; the tools of ${server} are there in the first message after that.`;
      return reply(200, id, { result: { content: [{ type: 'text', text }], isError: isAnother } });
    }
    default:
      return reply(200, id, { error: { code: -32_601, message: 'Not there before signing in.' } });
  }
}

function toolOf(server: string) {
  return {
    name: SIGN_IN_TOOL,
    description: `The person you are talking to has not signed in to ${server} yet, so its tools are not there. Call this when they ask for something that needs ${server}: your reply then ends with a link to sign in.`,
    inputSchema: { type: 'object', properties: {} },
  };
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return null;
  }
}

function reply(status: number, id: string | number | null, rest: object): Answer {
  return {
    status,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id, ...rest }),
  };
}
