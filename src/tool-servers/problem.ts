// An answer of ours in the place of a tool server's.
import type { Answer } from '../gateway/call.ts';

/** As the clients of tool servers read it. */
export function problem(status: number, message: string, code = -32_000): Answer {
  return {
    status,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: null, error: { code, message } }),
  };
}
