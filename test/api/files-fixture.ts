// The API with files: objects in memory, sessions whose working directories are real, and the agent's side of `send_file`.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AppOptions } from '../../src/api/app.ts';
import type { ObjectStore, Workplace } from '../../src/core/ports.ts';
import { createFileTransfers } from '../../src/local/file-transfers.ts';
import { createSessionState } from '../../src/state/session-state.ts';
import { createWorkspaceReader } from '../../src/state/workspace-reader.ts';
import { createMemoryObjectStore } from '../../src/stores/memory/index.ts';
import { type ApiFixture, createApiFixture } from './fixture.ts';

export interface FilesFixture extends ApiFixture {
  readonly objects: ObjectStore;
  keys(): Promise<string[]>;
}

export function createFilesFixture(app: Partial<AppOptions> = {}): FilesFixture {
  const folder = mkdtempSync(join(tmpdir(), 'api-files-'));
  const objects = createMemoryObjectStore();
  const state = createSessionState({
    objects,
    limits: { maxWorkspaceBytes: 1e9, maxWorkspaceFiles: 10_000 },
  });
  let turns = 0;
  const workplace: Workplace = {
    async open() {
      const root = join(folder, String(turns++));
      const directory = { root, config: join(root, 'config'), workspace: join(root, 'workspace') };
      for (const path of [directory.config, directory.workspace]) mkdirSync(path, { recursive: true });
      return directory;
    },
    close: async () => {},
  };
  const fixture = createApiFixture({
    app: {
      objects,
      state,
      transfers: createFileTransfers(objects),
      workspace: createWorkspaceReader({ objects }),
      ...app,
    },
    parts: { objects, state, workplace },
  });
  return Object.assign(fixture, {
    objects,
    async keys() {
      const found: string[] = [];
      for await (const { key } of objects.list('')) found.push(key);
      return found;
    },
    close: ((close) => async () => {
      await close();
      rmSync(folder, { recursive: true, force: true });
    })(fixture.close),
  });
}
