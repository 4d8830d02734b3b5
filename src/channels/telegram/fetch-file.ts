// Brings a file that Telegram keeps. Telegram's own server gives out files of up to 20 MB over HTTPS; a Bot API server that
// the operator runs gives out larger ones, and with `--local` names a file of this machine instead
// (https://core.telegram.org/bots/api#getfile and #using-a-local-bot-api-server, read 2026-11).
import { stat } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import { Gone, Invalid, isHybridError, Refused } from '../../core/errors.ts';
import { requireFileSize, tooLargeText } from '../../core/lost-files.ts';
import type { Json } from '../../core/messages.ts';
import type { FetchedFile } from '../../core/ports.ts';
import { keepDownload } from '../kept-download.ts';
import type { TelegramApi } from './api.ts';
import { remoteFileSchema } from './message-files.ts';

const NOT_THERE = 'Telegram does not have this file any more. Please send it again.';

export async function fetchTelegramFile(
  api: Pick<TelegramApi, 'getFile' | 'download' | 'isOwnServer'>,
  remote: Json,
  maxBytes: number,
): Promise<FetchedFile> {
  const { fileId } = remoteFileSchema.parse(remote);
  const { path, bytes } = await api.getFile(fileId).catch((error: unknown) => {
    if (!isHybridError(error) || error.code !== 'refused-content') throw error;
    if (/too big/i.test(error.message)) {
      throw new Invalid('file-too-large', tooLargeText(maxBytes), { cause: error });
    }
    throw new Gone('no-file', NOT_THERE, { cause: error });
  });
  if (bytes !== null) requireFileSize(bytes, maxBytes);
  if (isAbsolute(path) && api.isOwnServer) return await localFile(path, maxBytes);
  const response = await api.download(path);
  if (response.status === 404) {
    await response.body?.cancel();
    throw new Gone('no-file', NOT_THERE);
  }
  if (!response.ok || !response.body) {
    await response.body?.cancel();
    throw new Refused('not-read', `Telegram did not give out a file (HTTP ${response.status}).`);
  }
  return await keepDownload('Telegram', response.body, maxBytes);
}

async function localFile(file: string, maxBytes: number): Promise<FetchedFile> {
  const there = await stat(file).catch(() => null);
  if (!there?.isFile()) {
    throw new Gone('no-file', 'The file that the Bot API server names is not on this machine.');
  }
  requireFileSize(there.size, maxBytes);
  return { body: { file, bytes: there.size } };
}
