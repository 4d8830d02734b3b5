// Brings the files of a reply, below its text: up to ten in one message. An upload is seen by nobody, so it may be repeated;
// what shows it is one call, and Slack has no way to say "unless you already did". So its uploads are recorded before that
// call. Where its answer is lost, Slack is asked whether they stand in the conversation, and only if not is the call made
// again; an upload that was finished before Slack then refuses (https://docs.slack.dev/reference/methods/files.completeUploadExternal).
import { filesText, type StoredFile } from '../../core/attachments.ts';
import { Gone, Invalid } from '../../core/errors.ts';
import type { SendContext } from '../../core/ports.ts';
import type { SlackAnchor } from './anchor.ts';
import type { SlackApi } from './api.ts';
import { plainContent } from './content.ts';
import type { UploadedFile } from './files-api.ts';
import { callsNobody, escapeText } from './message-text.ts';
import { sendPlaceholder, WAITING } from './placeholder.ts';
import type { SlackReplyTarget } from './reply-target.ts';

const MAX_TOGETHER = 10;
const LOST = 'This file is not kept any more. Ask me for it again.';
const REFUSED = 'Slack refuses this file. It is kept with the chat.';

interface Deps {
  readonly api: SlackApi;
  readonly context: SendContext;
  readonly target: SlackReplyTarget;
  readonly anchor: () => SlackAnchor;
  readonly note: (next: SlackAnchor) => Promise<void>;
}

/** Goes on after the last message that is known to have landed. */
export async function deliverFiles(deps: Deps, files: readonly StoredFile[]): Promise<void> {
  for (let index = deps.anchor().files?.landed ?? 0; index * MAX_TOGETHER < files.length; index++) {
    const together = files.slice(index * MAX_TOGETHER, (index + 1) * MAX_TOGETHER);
    await deliverTogether(deps, together, index);
    await deps.note({ ...deps.anchor(), files: { landed: index + 1 } });
  }
}

async function deliverTogether(deps: Deps, files: readonly StoredFile[], landed: number): Promise<void> {
  const before = deps.anchor().files?.begun;
  const begun = before ?? (await upload(deps, files));
  const failures = begun.flatMap((one, at) => {
    const file = files[at];
    return file && 'reason' in one ? [`${filesText([file])}\n${one.reason}`] : [];
  });
  const uploads = begun.flatMap((one, at): UploadedFile[] =>
    'id' in one ? [{ id: one.id, name: files[at]?.name ?? '' }] : [],
  );
  if (uploads.length > 0) {
    if (before === undefined) await deps.note({ ...deps.anchor(), files: { landed, begun: [...begun] } });
    const refusal = await share(deps, uploads, commentOf(files, begun), before !== undefined);
    if (refusal) failures.push(`${filesText(files)}\n${refusal}`);
  }
  if (failures.length > 0) await say(deps, failures.join('\n'));
}

type Begun = NonNullable<NonNullable<SlackAnchor['files']>['begun']>;

/** Each by itself: one file is in memory at a time. */
async function upload({ api, context }: Deps, files: readonly StoredFile[]): Promise<Begun> {
  const begun: Begun = [];
  for (const file of files) {
    try {
      const bytes = await load(context, file);
      const altText = file.mediaType.startsWith('image/') ? (file.caption ?? null) : null;
      begun.push(
        bytes === null ? { reason: LOST } : { id: await api.files.upload(file.name, bytes, altText) },
      );
    } catch (error) {
      if (!(error instanceof Invalid) || error.code === 'bad-token') throw error;
      begun.push({ reason: reasonOf(error) });
    }
  }
  return begun;
}

/** Returns why Slack shows none of them; null when they stand. */
async function share(
  { api, target }: Deps,
  uploads: readonly UploadedFile[],
  comment: string | null,
  isRepeat: boolean,
): Promise<string | null> {
  if (isRepeat && (await standsIn(api, target.channel, uploads))) return null;
  try {
    await api.files.share(uploads, target, comment);
    return null;
  } catch (error) {
    // Finished by the call whose answer was lost.
    if (isRepeat && error instanceof Gone && error.code === 'no-upload') return null;
    if (error instanceof Gone && error.code === 'no-upload') return REFUSED;
    if (error instanceof Invalid && error.code !== 'bad-token') return reasonOf(error);
    throw error;
  }
}

async function standsIn(api: SlackApi, channel: string, [first]: readonly UploadedFile[]): Promise<boolean> {
  if (!first) return false;
  try {
    return (await api.files.info(first.id)).sharedIn.has(channel);
  } catch (error) {
    // Not finished, or the app may not read files: the call itself will tell.
    if (error instanceof Gone || (error instanceof Invalid && error.code !== 'bad-token')) return false;
    throw error;
  }
}

/** What people read with the files: captions, with the name where there are several. */
function commentOf(files: readonly StoredFile[], begun: Begun): string | null {
  const sent = files.filter((_, at) => 'id' in (begun[at] ?? {}));
  const lines = sent.flatMap(({ name, caption }) => {
    if (!caption) return [];
    return [sent.length === 1 ? caption : `${name}: ${caption}`];
  });
  return lines.length === 0 ? null : escapeText(callsNobody(lines.join('\n').toWellFormed()));
}

/** A line in a message of its own, whose `ts` is recorded before anything is in it. */
async function say({ api, target, anchor, note }: Deps, text: string): Promise<void> {
  const files = anchor().files ?? { landed: 0 };
  const ts =
    files.message ??
    (await sendPlaceholder(api, target, WAITING, (message) =>
      note({ ...anchor(), files: { ...(anchor().files ?? files), message } }),
    ));
  await api.edit(target.channel, ts, plainContent(text));
}

function reasonOf(error: Invalid): string {
  return error.code === 'not-permitted' ? error.message : REFUSED;
}

async function load({ readFile }: SendContext, file: StoredFile): Promise<Uint8Array | null> {
  if (!readFile) return null;
  try {
    const pieces: Uint8Array[] = [];
    for await (const piece of readFile(file)) pieces.push(piece);
    return Buffer.concat(pieces);
  } catch (error) {
    if (error instanceof Gone && error.code === 'no-object') return null;
    throw error;
  }
}
