// The Web API methods for files. Bytes come and go over addresses that Slack names; the token goes along to Slack's own
// hosts only, since a message can hold the address of anything. An upload is nothing that anybody sees until it is shared
// (https://docs.slack.dev/messaging/working-with-files, read 2026-11).
import { z } from 'zod';
import { Gone, Invalid, isHybridError, Refused } from '../../core/errors.ts';
import { type CallKind, slackError } from './api-errors.ts';
import type { Destination } from './reply-target.ts';

/** What Slack says of a file. */
export interface SlackFile {
  readonly name: string | null;
  readonly mediaType: string | null;
  readonly bytes: number | null;
  /** It lies with another service: Slack has a link only. */
  readonly isExternal: boolean;
  readonly url: string | null;
  /** Conversations in which it stands. */
  readonly sharedIn: ReadonlySet<string>;
}

export interface UploadedFile {
  readonly id: string;
  readonly name: string;
}

export interface SlackFiles {
  /** Gone('no-file') when Slack has it no more, or the app is not where it stands. */
  info(id: string): Promise<SlackFile>;
  /** The answer to a request for its bytes, whatever its status. */
  download(url: string): Promise<Response>;
  /** Returns the id of a file that nobody sees yet; may be repeated. */
  upload(name: string, bytes: Uint8Array, altText: string | null): Promise<string>;
  /** Puts uploads into a conversation, as one message. Gone('no-upload') when they were put somewhere before. */
  share(files: readonly UploadedFile[], to: Destination, comment: string | null): Promise<void>;
}

type Call = (method: string, kind: CallKind, body: Record<string, unknown>) => Promise<unknown>;

export interface FilesApiOptions {
  readonly call: Call;
  readonly token: string;
  readonly apiUrl: string;
}

/** For a whole file. */
const TRANSFER_MS = 120_000;
const MAX_REDIRECTS = 3;
const SLACK_HOSTS = ['slack.com', 'slack-gov.com'];
const NO_FILE = new Set(['file_not_found', 'file_deleted', 'access_denied']);
const MAY_NOT_READ = 'The app may not read files here. Its operator has to give it the scope files:read.';
const MAY_NOT_SEND = 'The app may not send files here. Its operator has to give it the scope files:write.';

const shares = z.record(z.string(), z.unknown()).optional();
const infoSchema = z.object({
  file: z.object({
    name: z.string().nullish(),
    mimetype: z.string().nullish(),
    size: z.number().int().nonnegative().nullish(),
    mode: z.string().nullish(),
    is_external: z.boolean().nullish(),
    url_private: z.string().nullish(),
    url_private_download: z.string().nullish(),
    shares: z.object({ public: shares, private: shares }).nullish(),
  }),
});
const ticketSchema = z.object({ upload_url: z.url(), file_id: z.string().min(1) });

export function createFilesApi({ call, token, apiUrl }: FilesApiOptions): SlackFiles {
  return {
    async info(id) {
      const answer = await call('files.info', 'repeatable', { file: id }).catch((error: unknown) => {
        throw fileError(error, MAY_NOT_READ);
      });
      const { file } = readAs(infoSchema, answer);
      return {
        name: file.name ?? null,
        mediaType: file.mimetype ?? null,
        bytes: file.size ?? null,
        isExternal: file.is_external === true || file.mode === 'external',
        url: file.url_private_download ?? file.url_private ?? null,
        sharedIn: new Set([file.shares?.public, file.shares?.private].flatMap((at) => Object.keys(at ?? {}))),
      };
    },
    async download(url) {
      let at = url;
      for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
        requireSlackHost(at, apiUrl);
        const answer = await transfer(at, { headers: { authorization: `Bearer ${token}` } });
        const next = answer.headers.get('location');
        if (answer.status < 300 || answer.status > 399 || next === null) return answer;
        await answer.body?.cancel();
        at = new URL(next, at).href;
      }
      throw new Invalid('not-permitted', MAY_NOT_READ);
    },
    async upload(name, bytes, altText) {
      const given = {
        filename: name,
        length: bytes.length,
        ...(altText === null ? {} : { alt_text: altText }),
      };
      // An upload that nobody finishes is nothing: a second one may be begun whatever became of the first.
      const answer = await call('files.getUploadURLExternal', 'repeatable', given).catch((error: unknown) => {
        throw fileError(error, MAY_NOT_SEND);
      });
      const ticket = readAs(ticketSchema, answer);
      const { status, body } = await transfer(ticket.upload_url, {
        method: 'POST',
        body: bytes as Uint8Array<ArrayBuffer>,
      });
      await body?.cancel();
      if (status >= 200 && status < 300) return ticket.file_id;
      const message = `Slack did not take a file (HTTP ${status}).`;
      if (status === 429 || status >= 500) throw new Refused('not-taken', message);
      throw new Invalid('refused-content', message);
    },
    async share(files, { channel, threadTs }, comment) {
      try {
        await call('files.completeUploadExternal', 'send', {
          files: files.map(({ id, name }) => ({ id, title: name })),
          channel_id: channel,
          ...(threadTs === null ? {} : { thread_ts: threadTs }),
          ...(comment === null ? {} : { initial_comment: comment }),
        });
      } catch (error) {
        const ours = fileError(error, MAY_NOT_SEND);
        if (!(ours instanceof Gone && ours.code === 'no-file')) throw ours;
        throw new Gone('no-upload', 'Slack knows of no such upload any more.', { cause: error });
      }
    },
  };
}

function readAs<T>(schema: z.ZodType<T>, answer: unknown): T {
  const parsed = schema.safeParse(answer);
  if (parsed.success) return parsed.data;
  throw new Refused('bad-answer', 'Slack answered with something that is not documented.');
}

async function transfer(url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, { ...init, redirect: 'manual', signal: AbortSignal.timeout(TRANSFER_MS) });
  } catch (error) {
    throw slackError(error, 'files', 'repeatable');
  }
}

/** What concerns a file says so to the person; the rest is as it was. */
function fileError(error: unknown, notPermitted: string): unknown {
  if (!isHybridError(error)) return error;
  if (NO_FILE.has(String(error.data.error))) {
    return new Gone('no-file', 'Slack does not have this file any more. Please send it again.', {
      cause: error,
    });
  }
  return error.code === 'not-permitted'
    ? new Invalid('not-permitted', notPermitted, { cause: error })
    : error;
}

function requireSlackHost(url: string, apiUrl: string): void {
  const [given, api] = [URL.parse(url), new URL(apiUrl)];
  const isApi = given?.protocol === api.protocol && given.host === api.host;
  const isSlack =
    given?.protocol === 'https:' &&
    given.port === '' &&
    SLACK_HOSTS.some((host) => given.hostname === host || given.hostname.endsWith(`.${host}`));
  if (!isApi && !isSlack) {
    throw new Invalid('foreign-address', 'This file does not lie with Slack. Send the file itself.');
  }
}
