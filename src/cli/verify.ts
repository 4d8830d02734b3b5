// `sessions verify`: restores every session into a temporary folder, which checks the hash of every stored byte,
// and says which ones can be read.
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Corrupt } from '../core/errors.ts';
import { tenantId } from '../core/ids.ts';
import type { SessionState, SessionStore } from '../core/ports.ts';
import type { SessionHead } from '../core/records.ts';
import type { CliContext, DataOptions } from './context.ts';
import { EXIT } from './failure.ts';
import { chatName, findConversation, withStores } from './lookup.ts';
import { harmless } from './terminal.ts';

interface Finding {
  readonly session_id: string;
  readonly chat: string;
  readonly generation: number;
  readonly readable: boolean;
  readonly files: number;
  readonly problem: string | null;
}

/** Returns the exit code. */
export async function verify(
  context: CliContext,
  chat: string | undefined,
  options: DataOptions,
): Promise<number> {
  const { terminal } = context;
  return await withStores(context, options, async ({ store, state }) => {
    const heads = chat === undefined ? await allHeads(store) : [(await findConversation(store, chat)).head];
    const bar = terminal.progress('verify');
    const findings: Finding[] = [];
    for (const head of heads) {
      findings.push(await check(state, head));
      bar.update(findings.length, heads.length);
    }
    bar.end();
    const damaged = findings.filter(({ readable }) => !readable);
    if (options.json) terminal.json({ sessions: findings, damaged: damaged.length });
    else {
      for (const { session_id, chat: name, problem } of damaged) {
        terminal.line(`${terminal.style('red', 'damaged')}  ${session_id}  ${harmless(name)}  ${problem}`);
      }
      terminal.line(
        `${findings.length - damaged.length} of ${findings.length} sessions can be read back whole.`,
      );
    }
    return damaged.length > 0 ? EXIT.corrupt : EXIT.ok;
  });
}

async function check(state: SessionState, head: SessionHead): Promise<Finding> {
  const root = await mkdtemp(join(tmpdir(), 'hybrid-sessions-verify-'));
  const directory = { root, config: join(root, 'config'), workspace: join(root, 'workspace') };
  const about = { session_id: head.sessionId, chat: chatName(head.sessionKey), generation: head.generation };
  try {
    for (const path of [directory.config, directory.workspace]) await mkdir(path);
    const { files } = await state.restore(head, directory);
    return { ...about, readable: true, files, problem: null };
  } catch (error) {
    if (!(error instanceof Corrupt)) throw error;
    return { ...about, readable: false, files: 0, problem: error.message };
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

async function allHeads(store: SessionStore): Promise<SessionHead[]> {
  const heads: SessionHead[] = [];
  let cursor: string | null | undefined;
  while (cursor !== null) {
    const page = await store.listHeads(tenantId('default'), { limit: 200, ...(cursor && { cursor }) });
    heads.push(...page.items);
    cursor = page.cursor;
  }
  return heads;
}
