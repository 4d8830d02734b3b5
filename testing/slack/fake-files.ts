// Files of one workspace: what people sent, uploads that are begun, finished and shared, and what is given out to whom
// (https://docs.slack.dev/messaging/working-with-files, read 2026-11).
import { SlackRefusal } from './slack-refusal.ts';

export interface FakeFile {
  readonly id: string;
  readonly name: string;
  readonly mimetype: string;
  readonly bytes: Buffer;
}

/** An upload as people see it in a message. */
export interface SharedFile extends FakeFile {
  readonly title: string;
  readonly altText: string | null;
}

export interface FakeFiles {
  /** Somebody sends it; the file object of the event. `over` changes what the event says, not what Slack knows. */
  keep(name: string, mimetype: string, bytes: Buffer, over?: object): Record<string, unknown>;
  /** It is deleted, or was never seen by the app. */
  forget(id: string): void;
  /** Uploads that were begun, whatever became of them. */
  readonly uploads: readonly { readonly id: string; readonly finished: boolean }[];
}

export interface FileStore extends FakeFiles {
  info(id: string): object;
  begin(name: unknown, length: unknown, altText: unknown): { upload_url: string; file_id: string };
  /** The bytes of an upload; a status. */
  put(ticket: string, bytes: Buffer): number;
  finish(given: unknown, channel: string | null): readonly SharedFile[];
  /** null: somebody who may not see it gets the page for signing in. */
  bytesOf(id: string, isKnown: boolean): FakeFile | null | 'gone';
}

interface Upload {
  readonly id: string;
  readonly name: string;
  readonly length: number;
  readonly altText: string | null;
  bytes: Buffer | null;
  finished: boolean;
}

const MAX_TOGETHER = 10;
const MAX_NAME = 255;

export function createFakeFiles(
  origin: () => string,
  unique: () => string,
  scopes: ReadonlySet<string>,
): FileStore {
  const files = new Map<string, FakeFile>();
  const sharedIn = new Map<string, string[]>();
  const uploads = new Map<string, Upload>();
  const urlOf = (id: string) => `${origin()}/files-pri/T0-${id}/download`;
  const need = (scope: string) => {
    if (!scopes.has(scope)) throw new SlackRefusal('missing_scope');
  };
  const objectOf = ({ id, name, mimetype, bytes }: FakeFile) => ({
    ...{ id, name, title: name, mimetype, size: bytes.length, mode: 'hosted', is_external: false },
    ...{ url_private: urlOf(id), url_private_download: urlOf(id), file_access: 'visible' },
  });
  return {
    get uploads() {
      return [...uploads.values()];
    },
    keep(name, mimetype, bytes, over = {}) {
      const file = { id: `F0${unique()}`, name, mimetype, bytes };
      files.set(file.id, file);
      return { ...objectOf(file), ...over };
    },
    forget: (id) => void files.delete(id),
    info(id) {
      need('files:read');
      const file = files.get(id);
      if (!file) throw new SlackRefusal('file_not_found');
      const places = (sharedIn.get(id) ?? []).map((at) => [at, [{ ts: '1.1' }]] as const);
      const isPublic = ([at]: readonly [string, unknown]) => at.startsWith('C');
      return {
        file: {
          ...objectOf(file),
          shares: {
            public: Object.fromEntries(places.filter(isPublic)),
            private: Object.fromEntries(places.filter((place) => !isPublic(place))),
          },
        },
      };
    },
    begin(name, length, altText) {
      need('files:write');
      const bytes = Number(length);
      if (typeof name !== 'string' || name === '' || name.length > MAX_NAME || !(bytes > 0)) {
        throw new SlackRefusal('invalid_arguments');
      }
      const upload = {
        ...{ id: `F1${unique()}`, name, length: bytes, bytes: null, finished: false },
        altText: altText === undefined ? null : String(altText),
      };
      uploads.set(upload.id, upload);
      return { upload_url: `${origin()}/upload/v1/${upload.id}`, file_id: upload.id };
    },
    put(ticket, bytes) {
      const upload = uploads.get(ticket);
      if (!upload || upload.finished) return 404;
      if (bytes.length !== upload.length) return 400;
      upload.bytes = bytes;
      return 200;
    },
    finish(given, channel) {
      need('files:write');
      const asked = parsed(given);
      if (asked.length === 0 || asked.length > MAX_TOGETHER) throw new SlackRefusal('invalid_arguments');
      const found = asked.map(({ id }) => uploads.get(String(id)));
      // A ticket is for one time.
      const ready = found.filter((one) => one !== undefined && one.bytes !== null && !one.finished);
      if (ready.length !== asked.length) throw new SlackRefusal('file_not_found');
      return ready.map((upload, at) => {
        const { id, name, altText, bytes } = upload as Upload & { bytes: Buffer };
        (upload as Upload).finished = true;
        const file = { id, name, mimetype: typeOf(name), bytes };
        files.set(id, file);
        sharedIn.set(id, channel === null ? [] : [channel]);
        return { ...file, altText, title: String(asked[at]?.title ?? name) };
      });
    },
    bytesOf(id, isKnown) {
      if (!isKnown || !scopes.has('files:read')) return null;
      return files.get(id) ?? 'gone';
    },
  };
}

function typeOf(name: string): string {
  return /\.(png|jpg|gif)$/.test(name) ? `image/${name.split('.').at(-1)}` : 'application/octet-stream';
}

function parsed(given: unknown): readonly { readonly id?: unknown; readonly title?: unknown }[] {
  try {
    const value: unknown = JSON.parse(String(given));
    return Array.isArray(value) ? value : [];
  } catch {
    throw new SlackRefusal('invalid_arguments');
  }
}
