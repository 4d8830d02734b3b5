// Where a host that lies may sit: at the other end of a process's streams, or in a function whose response is a stream and whose
// mail is fetched. The same lies are told in both; the function's can upload whatever its worker handed out URLs for.
import { PassThrough } from 'node:stream';
import type { InvokeWithResponseStreamCommand } from '@aws-sdk/client-lambda';
import { systemClock } from '../../src/core/clock.ts';
import type { Log } from '../../src/core/log.ts';
import type { ObjectStore } from '../../src/core/ports/objects.ts';
import { createHostLink } from '../../src/host/host-link.ts';
import { createLambdaHosts } from '../../src/host/lambda/lambda-hosts.ts';
import type { SpareHost } from '../../src/host/spare-host.ts';

export type Frame = Record<string, unknown>;

/** What a liar is given to work with. */
export interface Line {
  say(frame: Frame | string): void;
  bytes(data: Uint8Array): void;
  /** Ends as a killed process does. */
  die(): void;
}

/** Answers what it is asked, in place of a real host. */
export type Liar = (frame: Frame, line: Line) => void;

interface Setting {
  readonly liar: Liar;
  readonly objects: ObjectStore;
  readonly spool: string;
  readonly log: Log;
}

type Place = (setting: Setting) => () => Promise<SpareHost>;

const PLACES = { process: inProcess, function: inFunction } satisfies Record<string, Place>;
let chosen: keyof typeof PLACES = 'process';

/** Before the cases are loaded. */
export function choosePlace(name: keyof typeof PLACES): void {
  chosen = name;
}

/** False where a host fetches its packs by URLs, and tells of it when it cannot. */
export const stagesPacks = (): boolean => chosen === 'process';

export const startLiar: Place = (setting) => PLACES[chosen](setting);

const lineOf = (frame: Frame | string): string =>
  typeof frame === 'string' ? frame : `${JSON.stringify(frame)}\n`;

function inProcess({ liar, objects, spool, log }: Setting) {
  return async (): Promise<SpareHost> => {
    const [toHost, fromHost, bytes] = [new PassThrough(), new PassThrough(), new PassThrough()];
    const end = Promise.withResolvers<object>();
    const die = () => {
      fromHost.end();
      bytes.end();
      end.resolve({});
    };
    const duplex = Object.assign(fromHost, { write: (text: string) => toHost.write(text) });
    const link = createHostLink(
      { stdio: [null, null, null, duplex, bytes], kill: die, ended: end.promise },
      log,
    );
    let heard = '';
    toHost.on('data', (data: Buffer) => {
      heard += data.toString();
      for (let at = heard.indexOf('\n'); at !== -1; at = heard.indexOf('\n')) {
        const frame = JSON.parse(heard.slice(0, at)) as Frame;
        heard = heard.slice(at + 1);
        liar(frame, {
          say: (said) => void fromHost.push(lineOf(said)),
          bytes: (sent) => void bytes.write(sent),
          die,
        });
      }
    });
    const directory = { root: '/none', config: '/none/c', workspace: '/none/w' };
    const stage = async (key: string) => (await sizesOf(objects, key)).length > 0;
    return { link, claim: async () => ({ directory, stage, spool }), close: async () => die() };
  };
}

interface Upload {
  readonly name: string;
  left: number;
  readonly pieces: Uint8Array[];
  readonly over: { readonly promise: Promise<unknown>; resolve(result?: unknown): void };
}

function begin({ name, bytes }: Frame): Upload {
  const upload: Upload = {
    name: String(name),
    left: Number(bytes),
    pieces: [],
    over: Promise.withResolvers<unknown>(),
  };
  // What does not come with the announcement does not come.
  setImmediate(() => {
    if (upload.left > 0) upload.over.resolve();
  });
  return upload;
}

function inFunction({ liar, objects, log }: Setting) {
  let session = '';
  const answer = new PassThrough();
  /** Session, generation and fence of what there are URLs for; the liar has one for any random part. */
  const granted = new Set<string>();
  const uploads: Upload[] = [];
  let telling = Promise.resolve();
  const inOrder = (step: () => unknown) => {
    telling = telling.then(async () => void (await step()));
  };
  const line: Line = {
    say(frame) {
      const upload = typeof frame === 'object' && frame.type === 'pack' ? begin(frame) : null;
      if (upload) uploads.push(upload);
      inOrder(async () => {
        // It is there before anybody hears of it, if it ever is.
        await upload?.over.promise;
        answer.write(lineOf(frame));
      });
    },
    bytes(data) {
      const upload = uploads.find(({ left }) => left > 0);
      if (!upload) return;
      upload.pieces.push(data);
      upload.left -= data.length;
      if (upload.left > 0) return;
      const key = `${session}/${upload.name}.pack`;
      const put = granted.has(uptoRandom(key))
        ? objects.put(key, Buffer.concat(upload.pieces))
        : Promise.resolve();
      put.then(upload.over.resolve, upload.over.resolve);
    },
    die: () => inOrder(() => answer.end()),
  };
  return createLambdaHosts({
    functionName: 'liar',
    objects,
    presigner: {
      async read(key) {
        session = key.slice(0, key.lastIndexOf('/'));
        return `read ${key}`;
      },
      async write(key) {
        session = key.slice(0, key.lastIndexOf('/'));
        granted.add(uptoRandom(key));
        return { url: `write ${key}`, headers: {} };
      },
    },
    mailbox: {
      post: async (_box, _number, { frame }) =>
        void (frame && setImmediate(() => liar(frame as Frame, line))),
      read: async () => [],
    },
    control: { url: 'http://gateway.invalid', secret: new Uint8Array(32) },
    clock: systemClock,
    log,
    client: {
      async send(command: InvokeWithResponseStreamCommand, { abortSignal }: { abortSignal: AbortSignal }) {
        const { messages } = JSON.parse(String(command.input.Payload)) as { messages: { frame: Frame }[] };
        abortSignal.addEventListener('abort', () => answer.destroy(new Error('aborted')), { once: true });
        for (const { frame } of messages) setImmediate(() => liar(frame, line));
        return {
          EventStream: (async function* () {
            for await (const piece of answer) yield { PayloadChunk: { Payload: piece as Uint8Array } };
          })(),
        };
      },
    } as never,
  });
}

const uptoRandom = (key: string): string => key.slice(0, key.lastIndexOf('-'));

async function sizesOf(objects: ObjectStore, prefix: string): Promise<number[]> {
  const sizes: number[] = [];
  for await (const { bytes } of objects.list(prefix)) sizes.push(bytes);
  return sizes;
}
