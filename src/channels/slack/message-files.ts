// The files of a message: each with the id under which Slack keeps it, or with the reason why it cannot be had. Pure; a file
// that is not as documented is named, never a reason to drop the message
// (https://docs.slack.dev/reference/objects/file-object, read 2026-11).
import { z } from 'zod';
import { type Attachment, fileNameOf, MAX_FILES, mediaTypeOf } from '../../core/attachments.ts';
import { tooLargeText } from '../../core/lost-files.ts';

const fileSchema = z.object({
  id: z.string().regex(/^F[A-Z0-9]{1,40}$/),
  name: z.string().nullish().catch(null),
  title: z.string().nullish().catch(null),
  mimetype: z.string().nullish().catch(null),
  size: z.number().int().nonnegative().nullish().catch(null),
  mode: z.string().nullish().catch(null),
  /** `slack_audio` of what was spoken into Slack itself. */
  subtype: z.string().nullish().catch(null),
  is_external: z.boolean().nullish().catch(null),
  file_access: z.string().nullish().catch(null),
});

/** For the worker, which fetches the file. */
export const remoteFileSchema = z.object({ file: z.string() });

export const EXTERNAL = 'It is a link to another service, which I cannot open. Send the file itself.';
const LOST: Readonly<Record<string, string>> = {
  tombstone: 'It was deleted.',
  hidden_by_limit: 'Slack hides it: the workspace keeps more files than it may.',
  external: EXTERNAL,
};
const NO_ACCESS = new Set(['access_denied', 'file_not_found']);

export function filesOf(files: readonly unknown[], maxBytes: number): readonly Attachment[] {
  return files.slice(0, MAX_FILES).map((given) => attachmentOf(given, maxBytes));
}

function attachmentOf(given: unknown, maxBytes: number): Attachment {
  const parsed = fileSchema.safeParse(given);
  if (!parsed.success) {
    const at = { refused: 'Slack does not say what this file is.' };
    return { name: 'file', mediaType: mediaTypeOf(null), bytes: null, at };
  }
  const { id, name, title, mimetype, size, subtype } = parsed.data;
  const refused = reasonOf(parsed.data, maxBytes);
  return {
    // In channels of several companies an event has the id alone, and the rest is to be asked for.
    name: fileNameOf(name || title || `file-${id}`),
    mediaType: mediaTypeOf(mimetype),
    bytes: size ?? null,
    at: refused === null ? { remote: { file: id } } : { refused },
    ...(subtype === 'slack_audio' ? { voice: true } : {}),
  };
}

function reasonOf(file: z.infer<typeof fileSchema>, maxBytes: number): string | null {
  if (file.is_external) return EXTERNAL;
  if (NO_ACCESS.has(file.file_access ?? '')) return 'Slack does not let me see it.';
  if (file.size && file.size > maxBytes) return tooLargeText(maxBytes, file.size);
  return LOST[file.mode ?? ''] ?? null;
}
