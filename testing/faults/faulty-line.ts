// A host's end of its line to the worker, with the faults of the plan in it: between the product's own host (serve-host.ts) and
// the real pipes. What a fault leaves alone goes through as it is.
import { PassThrough, type Readable, Transform, Writable } from 'node:stream';
import { readFrames } from '../../src/host/frames.ts';
import type { HostStreams } from '../../src/host/serve-host.ts';
import { type HostStep, lieOf } from './host-faults.ts';
import type { InjectedFaults, Note } from './injected-faults.ts';

export interface FaultyLineOptions {
  readonly frames: Readable & Writable;
  readonly bytes: Writable;
  readonly faults: InjectedFaults;
  readonly note: Note;
  /** Of a hello nobody knows yet whose turn it is for: the worker names its fault. */
  readonly hello: string | null;
  readonly messageOf: (sessionId: string, fence: number) => number | null;
}

interface Frame {
  readonly type: string;
  readonly [field: string]: unknown;
}

interface Pack {
  readonly name: string;
  readonly bytes: number;
}

const NO_FRAME = 'this is no frame\n';
const STRANGER = '../other/0000000001-1-0badcafe';

export function createFaultyLine(options: FaultyLineOptions): HostStreams {
  const { frames, bytes, faults, note, hello, messageOf } = options;
  const input = new PassThrough();
  let message: number | null = null;
  let fence = 0;
  let isHung = false;
  /** Of the save that runs. */
  let lie = '';

  const tell = (frame: Frame | string): Promise<void> =>
    new Promise((resolve) => {
      frames.write(typeof frame === 'string' ? frame : `${JSON.stringify(frame)}\n`, () => resolve());
    });
  const lied = (step: HostStep, how: string) =>
    note('lied', { message, fence, step, how, barred: lieOf(step, how)?.barred });

  /** True when nothing more is to be done for what it was asked. */
  function befall(how: string): void {
    if (how === 'kill') process.kill(process.pid, 'SIGKILL');
    if (how === 'stop') process.kill(process.pid, 'SIGSTOP');
    if (how === 'hang') isHung = true;
    while (how === 'spin');
  }

  async function lieInRun(how: string): Promise<void> {
    lied('run', how);
    if (how === 'garbage') await tell(NO_FRAME);
    if (how === 'unasked') await tell({ type: 'opened' });
    if (how === 'final')
      await tell({ type: 'progress', event: { type: 'final', reply: { text: 'A lie.' } } });
    if (how === 'early-pack') await tell({ type: 'pack', name: `0000000001-${fence}-0badcafe`, bytes: 10 });
  }

  function strikeInRun(): void {
    const fault = faults.take('host:run', message);
    if (!fault) return;
    setTimeout(() => {
      if (lieOf('run', fault.how)) void lieInRun(fault.how);
      else befall(fault.how);
    }, fault.ms ?? 0);
  }

  /** Before the host hears it. */
  function strikeBefore(frame: Frame): void {
    lie = '';
    if (frame.type === 'boot' && hello !== null) befall(hello);
    if (frame.type === 'open') {
      fence = Number(frame.fence);
      message = messageOf(String(frame.sessionId), fence);
      befall(faults.take('host:restore', message)?.how ?? '');
    }
    if (frame.type === 'run') strikeInRun();
    // What is said of a save in mid-turn may be refused without an end of the turn.
    if (frame.type !== 'save' || frame.running === true) return;
    const fault = faults.take('host:save', message);
    if (fault && lieOf('save', fault.how)) lie = fault.how;
    else if (fault) befall(fault.how);
  }

  async function hear(): Promise<void> {
    for await (const frame of readFrames(frames, (value) => value as Frame)) {
      if (frame.type === 'put' || frame.type === 'have') {
        input.write(`${JSON.stringify(frame)}\n`);
        continue;
      }
      strikeBefore(frame);
      if (!isHung) input.write(`${JSON.stringify(frame)}\n`);
    }
    input.end();
  }

  async function sayEnded(frame: Frame): Promise<void> {
    await tell(frame);
    const how = faults.take('host:result', message)?.how ?? '';
    befall(how);
    if (!lieOf('result', how)) return;
    lied('result', how);
    if (how === 'garbage') await tell(NO_FRAME);
    if (how === 'second-result')
      await tell({ type: 'ended', outcome: { status: 'ok', text: 'A lie.', demo: false } });
    if (how === 'late-text') await tell({ type: 'progress', event: { type: 'text', text: 'Too late.' } });
  }

  async function saySaved(frame: Frame): Promise<void> {
    const stored = frame.stored as { readonly generation: number; readonly packs: readonly Pack[] };
    const changed = savedWith(lie, stored);
    if (changed !== stored) lied('save', lie);
    await tell({ ...frame, stored: changed });
    const how = faults.take('host:saved', message)?.how ?? '';
    befall(how);
    if (!lieOf('saved', how)) return;
    lied('saved', how);
    await tell(how === 'garbage' ? NO_FRAME : frame);
  }

  async function say(frame: Frame): Promise<void> {
    if (frame.type === 'ended') return await sayEnded(frame);
    if (frame.type === 'saved') return await saySaved(frame);
    if (frame.type !== 'pack') return await tell(frame);
    const name = namedWith(lie, String(frame.name));
    // A save that writes nothing has no pack to lie with.
    if (name !== frame.name || lie === 'table') lied('save', lie);
    await tell({ ...frame, name });
  }

  const output = new Writable({
    write(chunk: Buffer, _encoding, done) {
      say(JSON.parse(chunk.toString('utf8')) as Frame).then(() => done(), done);
    },
  });
  const garbling = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      done(null, lie === 'table' ? chunk.map((byte) => byte ^ 0xff) : chunk);
    },
  });
  garbling.pipe(bytes);
  void hear().catch(() => input.end());
  return { input, output, bytes: garbling };
}

function namedWith(lie: string, name: string): string {
  if (lie === 'prefix') return STRANGER;
  if (lie !== 'fence') return name;
  const [generation, fence, random] = name.split('-');
  return `${generation}-${Number(fence) + 1}-${random}`;
}

function savedWith(lie: string, stored: { readonly generation: number; readonly packs: readonly Pack[] }) {
  const { generation, packs } = stored;
  const last = packs.at(-1);
  const withLast = (over: object) => ({ ...stored, packs: [...packs.slice(0, -1), { ...last, ...over }] });
  if (lie === 'generation') return { ...stored, generation: generation + 1 };
  if (lie === 'foreign')
    return { ...stored, packs: [...packs, { ...last, name: '0000000001-1-0badcafe' }].slice(-8) };
  if (lie === 'size') return withLast({ bytes: (last?.bytes ?? 0) + 1 });
  if (lie === 'digest') return withLast({ digest: 'x'.repeat(22) });
  if (lie === 'header') return withLast({ headerBytes: (last?.bytes ?? 0) + 1 });
  if (lie === 'empty') return { ...stored, packs: [] };
  return stored;
}
