// Brings the files of a reply, below its text. A single file is put into a message whose id was recorded before, by an edit,
// like every text: repeated, it is still one. An album can only be sent, and Telegram has no way to say "unless you already
// did": what became of a send without an answer nobody knows. Then it is not sent again, and a line says so; the person
// can ask for it (https://core.telegram.org/bots/api#sendmediagroup and #editmessagemedia, read 2026-11).
import { filesText, type StoredFile } from '../../core/attachments.ts';
import { Ambiguous, Gone, Invalid, Refused } from '../../core/errors.ts';
import type { SendContext } from '../../core/ports.ts';
import type { TelegramAnchor } from './anchor.ts';
import type { TelegramApi, UploadedFile } from './api.ts';
import { sendPlaceholder, WAITING } from './placeholder.ts';
import type { TelegramAddress } from './reply-target.ts';

const MAX_ALBUM = 10;
/** What is held in memory for one request, and what Telegram takes of one file. */
const MAX_BATCH_BYTES = 50 * 1024 * 1024;
/** A larger picture is a document for Telegram. */
const MAX_PHOTO_BYTES = 10 * 1024 * 1024;
const PHOTOS: ReadonlySet<string> = new Set(['image/jpeg', 'image/png', 'image/webp']);

interface Deps {
  readonly api: TelegramApi;
  readonly context: SendContext;
  readonly target: TelegramAddress;
  readonly anchor: () => TelegramAnchor;
  readonly note: (next: TelegramAnchor) => Promise<void>;
}

/** Goes on after the last batch that is known to have landed. */
export async function deliverFiles(deps: Deps, files: readonly StoredFile[]): Promise<void> {
  const { anchor, note } = deps;
  const batches = batchesOf(files);
  for (let index = anchor().files?.landed ?? 0; index < batches.length; index++) {
    const batch = batches[index] ?? [];
    const [only] = batch;
    if (batch.length === 1 && only) await sendOne(deps, only, index);
    else await sendAlbum(deps, batch, index);
    await note({ ...anchor(), files: { landed: index + 1 } });
  }
}

/** Pictures with pictures, documents with documents, in order: Telegram mixes no others. */
export function batchesOf(files: readonly StoredFile[]): readonly (readonly StoredFile[])[] {
  const batches: StoredFile[][] = [];
  for (const file of files) {
    const last = batches.at(-1);
    const bytes = (last ?? []).reduce((sum, one) => sum + one.bytes, file.bytes);
    const fits = last !== undefined && last.length < MAX_ALBUM && bytes <= MAX_BATCH_BYTES;
    if (fits && kindOf(last[0] ?? file) === kindOf(file)) last.push(file);
    else batches.push([file]);
  }
  return batches;
}

function kindOf({ mediaType, bytes }: StoredFile): UploadedFile['kind'] {
  return PHOTOS.has(mediaType) && bytes <= MAX_PHOTO_BYTES ? 'photo' : 'document';
}

async function sendOne(deps: Deps, file: StoredFile, index: number): Promise<void> {
  const { api, target } = deps;
  const loaded = await load(deps, file);
  const kinds = kindOf(file) === 'photo' ? (['photo', 'document'] as const) : (['document'] as const);
  const id = deps.anchor().files?.message ?? (await place(deps, index));
  for (const kind of loaded ? kinds : []) {
    try {
      return await api.editMedia(target.chatId, id, { ...loaded!, kind });
    } catch (error) {
      // Pictures of odd sizes are refused as pictures only.
      if (!(error instanceof Invalid)) throw error;
    }
  }
  await api.edit(target.chatId, id, { plain: `${filesText([file])}\n${loaded ? REFUSED : LOST}` });
}

const REFUSED = 'Telegram refuses this file. It is kept with the chat.';
const LOST = 'This file is not kept any more. Ask me for it again.';

/** A message for what follows, recorded before anything is in it. */
async function place({ api, target, anchor, note }: Deps, index: number): Promise<number> {
  return await sendPlaceholder(api, target, { text: WAITING, reply: false, silent: true }, (message) =>
    note({ ...anchor(), files: { landed: index, message } }),
  );
}

async function sendAlbum(deps: Deps, batch: readonly StoredFile[], index: number): Promise<void> {
  const { api, target, anchor, note } = deps;
  const isUnknown = anchor().files?.begun === index;
  if (!isUnknown) {
    const loaded = await Promise.all(batch.map((file) => load(deps, file)));
    const there = loaded.filter((file) => file !== null);
    if (there.length < 2) {
      for (const file of batch) await sendOne(deps, file, index);
      return;
    }
    await note({ ...anchor(), files: { landed: index, begun: index } });
    try {
      return await api.sendAlbum(target, there);
    } catch (error) {
      if (error instanceof Refused || error instanceof Gone) {
        // It did not arrive: the next try may send it.
        await note({ ...anchor(), files: { landed: index } });
        throw error;
      }
      if (!(error instanceof Ambiguous || error instanceof Invalid)) throw error;
      if (error instanceof Invalid) return await say(deps, index, batch, 'Telegram refuses these files:');
    }
  }
  await say(
    deps,
    index,
    batch,
    'I have sent these files, but Telegram did not say whether they arrived. If not, ask me for them:',
  );
}

async function say(deps: Deps, index: number, batch: readonly StoredFile[], text: string): Promise<void> {
  const { begun } = deps.anchor().files ?? {};
  const id = await sendPlaceholder(
    deps.api,
    deps.target,
    { text: WAITING, reply: false, silent: true },
    (message) =>
      deps.note({
        ...deps.anchor(),
        files: { landed: index, message, ...(begun === undefined ? {} : { begun }) },
      }),
  );
  await deps.api.edit(deps.target.chatId, id, { plain: `${text}\n${filesText(batch)}` });
}

async function load({ context }: Deps, file: StoredFile): Promise<UploadedFile | null> {
  try {
    const pieces: Uint8Array[] = [];
    if (!context.readFile) return null;
    for await (const piece of context.readFile(file)) pieces.push(piece);
    const { name, caption } = file;
    return { kind: kindOf(file), name, bytes: Buffer.concat(pieces), ...(caption ? { caption } : {}) };
  } catch (error) {
    if (error instanceof Gone && error.code === 'no-object') return null;
    throw error;
  }
}
