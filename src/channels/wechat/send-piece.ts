// One message of a reply on its way: a text, or a picture or voice. What WeChat does not take, and what is not kept any more,
// is said in its place, so that the person knows of it.
import type { StoredFile } from '../../core/attachments.ts';
import { Gone, Invalid } from '../../core/errors.ts';
import type { SendContext } from '../../core/ports.ts';
import type { WechatApi } from './api.ts';
import { mediaKindOf } from './media.ts';
import { fileText, MORE_FOLLOWS, refusedText, SENT_AGAIN } from './message-text.ts';

export type Piece = { readonly text: string } | { readonly file: StoredFile };

interface How {
  /** Begun before, and never confirmed. */
  readonly again: boolean;
  /** The last message that may be sent, and more follows. */
  readonly endsHere: boolean;
}

/** Returns the refusal when WeChat did not take a text, and the person was told so in its place. */
export async function sendPiece(
  api: WechatApi,
  context: SendContext,
  openId: string,
  piece: Piece,
  { again, endsHere }: How,
): Promise<Invalid | null> {
  if ('file' in piece) {
    await sendFile(api, context, openId, piece.file, again);
    return null;
  }
  const text = `${again ? SENT_AGAIN : ''}${piece.text}${endsHere ? MORE_FOLLOWS : ''}`;
  try {
    await api.sendText(openId, text);
    return null;
  } catch (error) {
    if (!isRefusedContent(error)) throw error;
    await api.sendText(openId, refusedText(context.request.turnId));
    return error;
  }
}

async function sendFile(
  api: WechatApi,
  context: SendContext,
  openId: string,
  file: StoredFile,
  again: boolean,
): Promise<void> {
  const { name, mediaType } = file;
  // A picture that stands there twice says nothing; a line about it does.
  if (again) return await api.sendText(openId, fileText.unknown(name));
  const bytes = await contentOf(context, file);
  const kind = mediaKindOf(file);
  if (bytes === null || kind === null) return await api.sendText(openId, fileText.lost(name));
  try {
    await api.sendMedia(openId, kind, await api.uploadMedia(kind, { name, mediaType, bytes }));
  } catch (error) {
    if (!isRefusedContent(error)) throw error;
    await api.sendText(openId, fileText.refused(name));
  }
}

function isRefusedContent(error: unknown): error is Invalid {
  return error instanceof Invalid && error.code === 'refused-content';
}

async function contentOf({ readFile }: SendContext, file: StoredFile): Promise<Uint8Array | null> {
  if (!readFile) return null;
  const pieces: Uint8Array[] = [];
  try {
    for await (const piece of readFile(file)) pieces.push(piece);
    return Buffer.concat(pieces);
  } catch (error) {
    if (error instanceof Gone && error.code === 'no-object') return null;
    throw error;
  }
}
