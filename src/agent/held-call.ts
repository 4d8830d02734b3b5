// A call that the CLI held for people when the last turn ended: the transcript ends with it, and a run without a message makes
// the CLI take it up again. A call that nobody will decide about any more gets its result here, so that the conversation
// can go on with a message: the CLI itself would spend a request of its own on it first.
import { randomUUID } from 'node:crypto';
import type { DecidedCall } from '../core/asked-call.ts';
import { hashOf } from './asking-policy.ts';
import { openTranscript, readTranscript } from './transcript-file.ts';

export interface HeldCall {
  readonly id: string;
  readonly tool: string;
  readonly input: unknown;
}

interface Block {
  readonly type?: string;
  readonly id?: string;
  readonly name?: string;
  readonly input?: unknown;
  readonly tool_use_id?: string;
}

interface Entry {
  readonly type?: string;
  readonly uuid?: string;
  readonly isSidechain?: boolean;
  readonly message?: { readonly content?: unknown };
  readonly attachment?: {
    readonly type?: string;
    readonly toolUseID?: string;
    readonly toolName?: string;
    readonly toolInput?: unknown;
  };
}

/** A held call is the last thing in a transcript; its input may be long. */
const END_BYTES = 8 * 1024 * 1024;
const MARK = '"hook_deferred_tool"';

/** null when none waits. */
export async function heldCall(path: string): Promise<HeldCall | null> {
  const end = await endOf(path);
  if (!end.includes(MARK)) return null;
  const entries = entriesOf(end);
  const at = entries.findLastIndex(({ attachment }) => attachment?.type === 'hook_deferred_tool');
  const { toolUseID: id, toolName: tool, toolInput: input } = entries[at]?.attachment ?? {};
  if (id === undefined || tool === undefined) return null;
  const hasResult = entries.slice(at).some((entry) => resultsIn(entry).includes(id));
  return hasResult ? null : { id, tool, input };
}

/** Writes the result of a held call that does not run. */
export async function refuseHeldCall(path: string, { id }: HeldCall, reason: string): Promise<void> {
  const caller = entriesOf((await readTranscript(path)) ?? '').findLast((entry) =>
    blocksOf(entry).some((block) => block.type === 'tool_use' && block.id === id),
  );
  if (!caller) return;
  const result = {
    ...caller,
    parentUuid: caller.uuid,
    type: 'user',
    uuid: randomUUID(),
    timestamp: new Date().toISOString(),
    requestId: undefined,
    message: {
      role: 'user',
      content: [{ type: 'tool_result', tool_use_id: id, content: reason, is_error: true }],
    },
    toolUseResult: `Error: ${reason}`,
    sourceToolAssistantUUID: caller.uuid,
  };
  const file = await openTranscript(path, 'change');
  try {
    const { size } = (await file?.stat()) ?? { size: 0 };
    await file?.write(`${JSON.stringify(result)}\n`, size);
  } finally {
    await file?.close();
  }
}

/** Of decided calls, the ids of those that an earlier part of this turn has made already. */
export async function callsMade(path: string, calls: readonly DecidedCall[]): Promise<ReadonlySet<string>> {
  const entries = entriesOf((await readTranscript(path)) ?? '');
  const results = new Set(entries.flatMap(resultsIn));
  const made = entries.flatMap(blocksOf).filter(({ type }) => type === 'tool_use');
  const isMade = (call: DecidedCall): boolean => {
    if (call.waits === 'held') return results.has(call.id);
    const asked = made.findIndex(({ id }) => id === call.id);
    return made.some(
      ({ id = '', name = '', input }, at) =>
        at > asked && results.has(id) && name === call.tool && hashOf({ tool: name, input }) === call.hash,
    );
  };
  return new Set(calls.filter(isMade).map(({ id }) => id));
}

async function endOf(path: string): Promise<string> {
  const file = await openTranscript(path, 'read');
  if (!file) return '';
  try {
    const { size } = await file.stat();
    const length = Math.min(size, END_BYTES);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, size - length);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await file.close();
  }
}

function entriesOf(text: string): readonly Entry[] {
  return text.split('\n').flatMap((line) => {
    try {
      const value: unknown = JSON.parse(line);
      return typeof value === 'object' && value !== null ? [value as Entry] : [];
    } catch {
      return [];
    }
  });
}

function blocksOf({ message, isSidechain }: Entry): readonly Block[] {
  return Array.isArray(message?.content) && !isSidechain ? (message.content as Block[]) : [];
}

function resultsIn(entry: Entry): readonly string[] {
  return blocksOf(entry).flatMap((block) => (block.type === 'tool_result' ? [block.tool_use_id ?? ''] : []));
}
