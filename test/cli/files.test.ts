// Files of turns outside of the API: an export holds them, and the terminal saves them beside what is there already.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import type { FileView } from '../../src/api/views.ts';
import { writeChat } from '../../src/cli/chat-export.ts';
import { fileLines, filesMeant, saveFile } from '../../src/cli/download.ts';
import { fileKey, fileObjectOf } from '../../src/core/attachments.ts';
import { tenantOf } from '../../src/core/ids.ts';
import { turnRequest } from '../../src/core/messages.ts';
import { openStores } from '../../src/local/stores.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});
function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'cli-files-'));
  folders.push(folder);
  return folder;
}

test("a chat's export holds what was sent, named as its turns name it", async () => {
  const stores = await openStores(
    {
      dataDir: temporary(),
      limits: { maxWorkspaceBytes: 1e6, maxWorkspaceFiles: 10 },
      keepGenerations: 3,
      retentionSec: 3_600,
    },
    { create: true },
  );
  try {
    const conversation = { tenant: 'default', channel: 'http', bot: 'local', chat: 'c', thread: null };
    const plain = turnRequest({ conversation, dedupeId: 'one', text: 'look', receivedAtMs: 1 });
    const object = fileObjectOf(plain.turnId, 'up-0123456789abcdef');
    const attachment = { name: 'a.txt', mediaType: 'text/plain', bytes: 4, at: { object } };
    const request = turnRequest({ ...plain, attachments: [attachment] });
    await stores.store.accept(request, 3_600);
    await stores.objects.put(fileKey(tenantOf(plain.sessionKey), object), Buffer.from('mine'));
    const folder = temporary();
    expect(await writeChat(stores, plain.sessionKey, [], folder)).toMatchObject({ turns: 1, files: 1 });
    const [line] = readFileSync(join(folder, 'turns.jsonl'), 'utf8').split('\n');
    const named: string = JSON.parse(line ?? '').attachments[0].at.object;
    expect(readFileSync(join(folder, 'files', named), 'utf8')).toBe('mine');
  } finally {
    await stores.close();
  }
});

const file = (name: string): FileView => ({
  ...{ file: 'out-1', name, media_type: 'text/plain', bytes: 2_048 },
  url: '/v1/turns/t/files/out-1',
});

test('the terminal names files by number, and takes one or all', () => {
  const files = [file('a.txt'), { ...file('\u001b[31mb.txt'), caption: 'the second' }];
  const lines = fileLines(files);
  expect(lines[0]).toBe('📎 1. a.txt (2 kB)');
  expect(lines[1]).not.toContain('\u001b');
  expect(filesMeant(files, '')).toEqual(files);
  expect(filesMeant(files, '2')).toEqual([files[1]]);
  for (const rest of ['0', '3', 'a.txt']) expect(() => filesMeant(files, rest)).toThrow(/1 to 2/);
  expect(() => filesMeant([], '')).toThrow(/no file/);
});

test('a saved file leaves the folder by no name, and writes over nothing', async () => {
  const folder = temporary();
  writeFileSync(join(folder, 'a.txt'), 'older');
  const save = (name: string) => saveFile(folder, name, new Blob(['new']).stream());
  expect(await save('a.txt')).toBe(join(folder, 'a-2.txt'));
  expect(await save('a.txt')).toBe(join(folder, 'a-3.txt'));
  await save('../../escaped');
  await save('.bashrc');
  expect(readdirSync(folder).sort()).toEqual(['_.._escaped', 'a-2.txt', 'a-3.txt', 'a.txt', 'bashrc']);
  expect(readFileSync(join(folder, 'a.txt'), 'utf8')).toBe('older');
});
