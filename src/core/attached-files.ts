// What came with a message, made ready for the agent: files that still lie with the platform are fetched into the object
// store, once, under the turn's own id; what cannot be had is left out, and both the agent and the person are told why.
// Safe to repeat by another worker: an object that is there stays as it is.
import {
  type Attachment,
  fileKey,
  fileNameOf,
  fileObjectOf,
  mediaTypeOf,
  type StoredFile,
} from './attachments.ts';
import { Gone, Invalid } from './errors.ts';
import { tenantOf } from './ids.ts';
import { errorFields } from './log.ts';
import type { AttachedFiles, LostFile } from './lost-files.ts';
import type { TurnRequest } from './messages.ts';
import type { GivenFile } from './ports.ts';
import type { RunningTurn } from './running-turn.ts';

type Running = Pick<RunningTurn, 'deps' | 'channel'>;

/** Refused or Ambiguous when a platform or the store is away: the turn waits for it like for any outage. */
export async function attachedFiles(running: Running, request: TurnRequest): Promise<AttachedFiles> {
  const files: GivenFile[] = [];
  const lost: LostFile[] = [];
  const voice: GivenFile[] = [];
  for (const [index, attachment] of (request.attachments ?? []).entries()) {
    const stored = await storedOf(running, request, attachment, index);
    if ('reason' in stored) {
      lost.push(stored);
      continue;
    }
    const given = givenFile(running, request, stored);
    files.push(given);
    if (attachment.voice) voice.push(given);
  }
  return { files, lost, voice };
}

async function storedOf(
  { deps, channel }: Running,
  request: TurnRequest,
  { name, mediaType, bytes, at }: Attachment,
  index: number,
): Promise<StoredFile | LostFile> {
  if ('refused' in at) return { name, reason: at.refused };
  if (!deps.objects) return { name, reason: 'This installation keeps no files.' };
  if ('object' in at) return { name, mediaType, bytes: bytes ?? 0, object: at.object };
  const object = fileObjectOf(request.turnId, `in-${index}`);
  const key = fileKey(tenantOf(request.sessionKey), object);
  for await (const known of deps.objects.list(key)) {
    if (known.key === key) return { name, mediaType, bytes: known.bytes, object };
  }
  if (!channel.fetchFile) return { name, reason: 'Files cannot be fetched from this channel.' };
  try {
    const fetched = await channel.fetchFile(request, at.remote);
    try {
      const size = 'file' in fetched.body ? fetched.body.bytes : fetched.body.length;
      await deps.objects.put(key, fetched.body);
      return {
        name: fetched.name ? fileNameOf(fetched.name) : name,
        mediaType: fetched.mediaType ? mediaTypeOf(fetched.mediaType) : mediaType,
        bytes: size,
        object,
      };
    } finally {
      await fetched.release?.();
    }
  } catch (error) {
    if (!(error instanceof Invalid || error instanceof Gone)) throw error;
    deps.log('warn', 'file-not-fetched', { turn: request.turnId, ...errorFields(error) });
    return { name, reason: error.message };
  }
}

function givenFile({ deps }: Running, { sessionKey }: TurnRequest, stored: StoredFile): GivenFile {
  const { name, mediaType, bytes, object } = stored;
  const key = fileKey(tenantOf(sessionKey), object);
  return { name, mediaType, bytes, key, read: () => deps.objects!.stream(key) };
}
