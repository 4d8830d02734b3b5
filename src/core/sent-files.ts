// What the agent sent during a turn, put into the object store before the turn is committed: its reply names these files, so
// the delivery, which is all that may be repeated after the commit, needs no agent host.
import { fileKey, fileObjectOf, type SentFile, type StoredFile } from './attachments.ts';
import type { AgentHost } from './ports.ts';
import { retryWrite } from './retry-write.ts';
import { type RunningTurn, retryOptionsOf } from './running-turn.ts';

export interface SentAlong {
  readonly files: readonly StoredFile[];
  /** Names of what could not be had. */
  readonly missing: readonly string[];
}

/** Each attempt has names of its own: what an earlier one put is never taken for this one's. */
export async function takeSentFiles(
  running: RunningTurn,
  host: AgentHost,
  sent: readonly SentFile[] = [],
): Promise<SentAlong> {
  const { request, lease, deps } = running;
  if (sent.length === 0) return { files: [], missing: [] };
  const files = sent.map((file, index) => ({
    ...file,
    object: fileObjectOf(request.turnId, `out-${lease.fence}-${request.part}-${index}`),
  }));
  const wanted = files.map(({ bytes, object }) => ({ bytes, key: fileKey(lease.tenant, object) }));
  const given = host.give
    ? await retryWrite(async () => await host.give?.(wanted), retryOptionsOf(running))
    : [];
  const kept = files.filter((_file, index) => given?.[index] === true);
  if (kept.length < files.length) {
    deps.log('warn', 'files-not-sent', { turn: request.turnId, files: files.length - kept.length });
  }
  return { files: kept, missing: files.filter((file) => !kept.includes(file)).map(({ name }) => name) };
}

/** Below the reply: the agent has said that they come. */
export function withMissingFiles(text: string, missing: readonly string[]): string {
  if (missing.length === 0) return text;
  const names = missing.map((name) => name.replaceAll(/([\\`*_[\]<>])/g, '\\$1')).join(', ');
  return `${text.trimEnd()}\n\n---\n_Could not be sent: ${names}. Ask me for it again._`;
}
