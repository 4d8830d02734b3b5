// Files of messages and of replies. A file is announced first, with the key of the message that it will come with: that names
// the turn it belongs to, so nothing has to be remembered until the message comes, and what no message claims is swept after
// a day. Its bytes go where the answer says: to the object store itself, or through this API.
import { randomBytes } from 'node:crypto';
import type { Context } from 'hono';
import { z } from 'zod';
import {
  type Attachment,
  fileIdOf,
  fileKey,
  fileNameOf,
  fileObjectOf,
  MAX_FILE_BYTES,
  MAX_FILES,
  mediaTypeOf,
  sizeText,
  turnFilesPrefix,
} from '../core/attachments.ts';
import { type Conversation, sessionKeyOf, type TurnId, turnIdOf } from '../core/ids.ts';
import { turnRequest } from '../core/messages.ts';
import type { FileTransfers, ObjectStore } from '../core/ports.ts';
import { conversationOfChat, findTurn, senderOf } from './chat-name.ts';
import { type ApiDeps, OWN, type Route } from './deps.ts';
import { dispositionOf, fileAnswer, harmlessType, sizesBelow } from './file-answers.ts';
import { refuse } from './problems.ts';
import { idempotencyKey, jsonBody, turnIdFrom } from './requests.ts';

const UPLOAD = /^up-[0-9a-f]{16}$/;

const announcedBody = z.strictObject({
  name: z.string().min(1, 'must not be empty').max(1_000),
  media_type: z.string().max(255).optional(),
  bytes: z
    .int()
    .min(0)
    .max(MAX_FILE_BYTES, `must be at most ${MAX_FILE_BYTES}: ${sizeText(MAX_FILE_BYTES)}`),
});

/** Of a message: what was uploaded for it. */
export const messageFiles = z
  .array(
    z.strictObject({
      file: z.string().regex(UPLOAD, 'is no id of an uploaded file'),
      name: z.string().min(1).max(1_000),
      media_type: z.string().max(255).optional(),
    }),
  )
  .max(MAX_FILES, `must be at most ${MAX_FILES}`);

export interface FilesHere {
  readonly objects: ObjectStore;
  readonly transfers: FileTransfers;
}

function filesHere({ objects, transfers }: ApiDeps): FilesHere {
  if (objects && transfers) return { objects, transfers };
  return refuse(409, 'no-files', 'This installation keeps no files.');
}

/** The key of the message that the files are for. */
function messageKey(context: Context): string {
  if (context.req.header('idempotency-key') !== undefined) return idempotencyKey(context);
  return refuse(400, 'no-idempotency-key', 'Send the Idempotency-Key of the message that this file is for.');
}

export function fileRoutes(deps: ApiDeps): Route[] {
  const { owner = OWN } = deps;

  async function roomFor(objects: ObjectStore, turnId: TurnId): Promise<void> {
    const there = await sizesBelow(objects, turnFilesPrefix(owner.tenant, turnId));
    if (there.size >= MAX_FILES) {
      refuse(400, 'too-many-files', `One message has at most ${MAX_FILES} files.`);
    }
  }

  return [
    {
      method: 'post',
      path: '/v1/chats/{chat}/files',
      async handle(context) {
        const conversation = conversationOfChat(context.req.param('chat'), owner);
        const { name, media_type, bytes } = await jsonBody(context, announcedBody);
        const dedupeId = messageKey(context);
        const { objects, transfers } = filesHere(deps);
        // A message to come takes the place of one that came: its files are no way around the limits.
        const coming = turnRequest({
          conversation,
          dedupeId,
          text: '',
          sender: senderOf(owner),
          receivedAtMs: deps.clock.now(),
        });
        await deps.admit?.(deps.store, coming);
        await roomFor(objects, coming.turnId);
        const file = `up-${randomBytes(8).toString('hex')}`;
        const key = fileKey(owner.tenant, fileObjectOf(coming.turnId, file));
        const direct = await transfers.uploadTo?.(key, bytes);
        const own = {
          url: `/v1/chats/${encodeURIComponent(conversation.chat)}/files/${file}`,
          headers: { 'idempotency-key': dedupeId },
        };
        const upload = direct
          ? { url: direct.url, headers: direct.headers, expires_at: timeOf(direct.expiresAtMs) }
          : { ...own, expires_at: null };
        const announced = { file, name: fileNameOf(name), media_type: mediaTypeOf(media_type), bytes };
        return context.json({ ...announced, upload: { method: 'PUT', ...upload } }, 201);
      },
    },
    {
      method: 'put',
      path: '/v1/chats/{chat}/files/{file}',
      async handle(context) {
        const { objects, transfers } = filesHere(deps);
        const conversation = conversationOfChat(context.req.param('chat'), owner);
        const turnId = turnIdOf(sessionKeyOf(conversation), messageKey(context));
        const file = context.req.param('file') ?? '';
        if (!UPLOAD.test(file)) refuse(404, 'unknown-file', 'Announce the file first: POST it to the chat.');
        if (!transfers.receive) refuse(409, 'elsewhere', 'Send the bytes where the announcement says.');
        if (Number(context.req.header('content-length') ?? 0) > MAX_FILE_BYTES) tooLarge();
        await roomFor(objects, turnId);
        const key = fileKey(owner.tenant, fileObjectOf(turnId, file));
        const body = context.req.raw.body ?? new Blob([]).stream();
        const bytes = await transfers.receive(key, body, MAX_FILE_BYTES);
        return context.json({ file, bytes }, 201);
      },
    },
    {
      method: 'get',
      path: '/v1/turns/{id}/files/{file}',
      async handle(context) {
        const turn = await findTurn(deps.store, turnIdFrom(context.req.param('id')), owner);
        const file = [...attachedOf(turn?.attachments), ...(turn?.reply?.files ?? [])].find(
          ({ object }) => fileIdOf(object) === context.req.param('file'),
        );
        if (!turn || !file) return refuse(404, 'unknown-file', 'There is no such file.');
        const { objects, transfers } = filesHere(deps);
        const key = fileKey(turn.tenant, file.object);
        const type = harmlessType(file.mediaType);
        const read = () => objects.stream(key);
        const isHead = context.req.method === 'HEAD';
        if (!transfers.downloadFrom || isHead) {
          return fileAnswer({ name: file.name, type, bytes: file.bytes, read }, isHead);
        }
        const location = await transfers.downloadFrom(key, { disposition: dispositionOf(file.name), type });
        return context.body(null, 302, { location });
      },
    },
  ];
}

function tooLarge(): never {
  refuse(413, 'file-too-large', `A file may have at most ${MAX_FILE_BYTES} bytes.`);
}

const timeOf = (ms: number): string => new Date(ms).toISOString();

/** What lies here of a message's files: an inlet of another kind may have left some with its platform. */
function attachedOf(attachments: readonly Attachment[] = []) {
  return attachments.flatMap(({ name, mediaType, bytes, at }) => {
    return 'object' in at ? [{ name, mediaType, bytes: bytes ?? 0, object: at.object }] : [];
  });
}

/** The uploaded files as attachments of the message. Each must be there: a message is never taken in without its files. */
export async function claimedFiles(
  deps: ApiDeps,
  conversation: Conversation,
  dedupeId: string,
  files: z.infer<typeof messageFiles>,
): Promise<readonly Attachment[]> {
  if (files.length === 0) return [];
  const { objects } = filesHere(deps);
  const { owner = OWN } = deps;
  const turnId = turnIdOf(sessionKeyOf(conversation), dedupeId);
  const there = await sizesBelow(objects, turnFilesPrefix(owner.tenant, turnId));
  return files.map(({ file, name, media_type }) => {
    const object = fileObjectOf(turnId, file);
    const bytes = there.get(fileKey(owner.tenant, object));
    if (bytes === undefined) {
      const detail = `files: ${file} was not uploaded for a message with this Idempotency-Key.`;
      return refuse(400, 'unknown-file', detail);
    }
    return { name: fileNameOf(name), mediaType: mediaTypeOf(media_type), bytes, at: { object } };
  });
}
