// What a function remembers of the host that stayed in it, and whether that one may serve the next invocation. It may only
// where a host that is started now would get the same: the same session at the same generation and content, the same agent
// folder and limits, and no longer idle than agreed. What is on disk and what the agent was started with its host itself asks.
import { folderStamp } from '../../agent/folder-stamp.ts';
import type { WhyEvicted } from '../hot-reasons.ts';
import type { ToHost } from '../protocol.ts';
import type { ResidentHost } from './resident-host.ts';

type Open = Extract<ToHost, { type: 'open' }>;

/** As the invocation says it: another one needs another host. */
export interface HostStart {
  readonly folder: string;
  readonly maxWorkspaceBytes: number;
}

export interface StayedHost {
  readonly host: ResidentHost;
  readonly start: HostStart;
  /** Of the agent folder when the host read it. */
  readonly stamp: string | null;
  readonly tenant: string;
  readonly sessionId: string;
  /** What its files and its conversation are. */
  readonly held: { readonly generation: number; readonly content: string | null };
  /** By the workers' clock. */
  readonly sinceMs: number;
}

export const stampOf = (folder: string): Promise<string | null> => folderStamp(folder).catch(() => null);

/** null when it may. */
export async function whyNot(
  stayed: StayedHost,
  open: Pick<Open, 'tenant' | 'sessionId' | 'stored' | 'hot'>,
  start: HostStart,
): Promise<WhyEvicted | null> {
  const { held } = stayed;
  const { hot, stored } = open;
  if (stayed.tenant !== open.tenant || stayed.sessionId !== open.sessionId) return 'other-session';
  if (!hot) return 'closed';
  if (!stored || held.generation !== hot.generation || held.content !== stored.content) return 'head';
  if (stayed.start.folder !== start.folder) return 'agent-folder';
  if (stayed.start.maxWorkspaceBytes !== start.maxWorkspaceBytes) return 'tenant';
  if (hot.nowMs - stayed.sinceMs > hot.idleMs) return 'idle';
  return stayed.stamp === null || (await stampOf(start.folder)) !== stayed.stamp ? 'agent-folder' : null;
}
