// Brings a file that Slack keeps. What an event says of a file may be old or less than there is, so Slack is asked first. To
// somebody who may not see a file Slack gives its page for signing in, with a status that says all is well.
import { Gone, Invalid, Refused } from '../../core/errors.ts';
import { requireFileSize } from '../../core/lost-files.ts';
import type { Json } from '../../core/messages.ts';
import type { FetchedFile } from '../../core/ports.ts';
import { keepDownload } from '../kept-download.ts';
import type { SlackFiles } from './files-api.ts';
import { EXTERNAL, remoteFileSchema } from './message-files.ts';

const HTML = 'text/html';

export async function fetchSlackFile(
  files: Pick<SlackFiles, 'info' | 'download'>,
  remote: Json,
  maxBytes: number,
): Promise<FetchedFile> {
  const { name, mediaType, bytes, isExternal, url } = await files.info(remoteFileSchema.parse(remote).file);
  if (isExternal) throw new Invalid('foreign-address', EXTERNAL);
  if (url === null) throw new Gone('no-file', 'Slack does not give out this file.');
  if (bytes !== null) requireFileSize(bytes, maxBytes);
  const answer = await files.download(url);
  const { status, body } = answer;
  const isSignIn = (answer.headers.get('content-type') ?? '').startsWith(HTML) && mediaType !== HTML;
  if (status === 200 && body && !isSignIn) {
    return { ...(await keepDownload('Slack', body, maxBytes)), name, mediaType };
  }
  await body?.cancel();
  if (status === 404 || status === 410) {
    throw new Gone('no-file', 'Slack does not have this file any more. Please send it again.');
  }
  if (status === 401 || status === 403 || isSignIn) {
    throw new Invalid('not-permitted', 'Slack does not let the app read this file.', {
      advice: 'Give the app the scope files:read and install it again.',
    });
  }
  throw new Refused('not-read', `Slack did not give out a file (HTTP ${status}).`);
}
