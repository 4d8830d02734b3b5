// Which tools of its servers a turn may call, kept on the worker's side as well: an agent that was taken over speaks to its
// server directly, past the policy in its own program.
import type { Call } from '../gateway/call.ts';
import { SIGN_IN_TOOL } from './sign-in/connect-tool.ts';

/** Names as in settings.json: `mcp__SERVER__TOOL`, or `mcp__SERVER` for all of them. */
export interface ToolRules {
  /** A tool must be in each of these lists. */
  readonly allow: readonly (readonly string[])[];
  readonly deny: readonly string[];
}

/** `mcp__dice` allows every tool of that server; whoever may use one of its tools may ask for a link to sign in. */
export function isAllowed(tool: string, allowed: readonly string[]): boolean {
  const [, server] = SIGN_IN.exec(tool) ?? [];
  if (server !== undefined) return allowed.some((entry) => `${entry}__`.startsWith(`mcp__${server}__`));
  return allowed.some(
    (entry) => tool === entry || (entry.startsWith('mcp__') && tool.startsWith(`${entry}__`)),
  );
}

const SIGN_IN = new RegExp(`^mcp__([A-Za-z0-9-]+)__${SIGN_IN_TOOL}$`);

export function mayCall(tool: string, { allow, deny }: ToolRules): boolean {
  return allow.every((list) => isAllowed(tool, list)) && !isAllowed(tool, deny);
}

/** A message that may go on; or why not. */
export type JudgedCall = { readonly call: Call } | { readonly status: number; readonly refusal: string };

/**
 * The message as it is sent on is written anew from what was read, so that the server cannot read another one from the same
 * bytes (a name given twice). Headers that repeat the message are left out where they say something else.
 */
export function judgeCall(server: string, call: Call, rules: ToolRules): JudgedCall {
  if (call.method !== 'POST') return { call };
  let body: unknown;
  try {
    body = JSON.parse(call.body.toString('utf8'));
  } catch {
    return { status: 400, refusal: 'The message is not JSON.' };
  }
  const messages: unknown[] = Array.isArray(body) ? body : [body];
  for (const message of messages) {
    const { method, params } = fieldsOf(message);
    if (method !== 'tools/call') continue;
    const { name } = fieldsOf(params);
    if (typeof name !== 'string') return { status: 400, refusal: 'A call of a tool has to name it.' };
    if (!mayCall(`mcp__${server}__${name}`, rules)) {
      return { status: 403, refusal: `This turn may not use the tool "${name}".` };
    }
  }
  const headers = Object.entries(call.headers).filter(([name, value]) => repeats(name, value, messages));
  return {
    call: { ...call, headers: Object.fromEntries(headers), body: Buffer.from(JSON.stringify(body)) },
  };
}

function repeats(header: string, value: string, messages: readonly unknown[]): boolean {
  if (header !== 'mcp-method' && header !== 'mcp-name') return true;
  return messages.every((message) => {
    const { method, params } = fieldsOf(message);
    if (header === 'mcp-method') return value === method;
    const { name, uri } = fieldsOf(params);
    return value === name || value === uri;
  });
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
