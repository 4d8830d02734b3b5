// A stand-in for the Agent SDK's CLI, as a process of its own: same transcript file, appended line by line, model
// over HTTP, a file written in the workspace. It starts in a tenth of the time, so that thousands of turns can be
// run; it knows nothing of hooks or compaction. It asks people first for one tool, and takes what they write meanwhile at
// its next step. Usage: light-agent.ts <JSON LightAgentInput>; see light-agent-input.ts.
import { randomUUID } from 'node:crypto';
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import {
  ASKED_TOOL,
  type LaterOutput,
  type LightAgentInput,
  type LightAgentLine,
  type LightAgentOutput,
  type Told,
} from './light-agent-input.ts';

interface Block {
  readonly type: string;
  readonly id?: string;
  readonly text?: string;
  readonly name?: string;
  readonly input?: {
    readonly file_path?: string;
    readonly content?: string;
    readonly later?: { readonly text: string; readonly inMs: number };
  };
}

interface Entry {
  readonly type: 'user' | 'assistant';
  readonly uuid: string;
  readonly message: { readonly role: 'user' | 'assistant'; readonly content: string | readonly unknown[] };
}

const input = JSON.parse(process.argv[2] ?? '{}') as LightAgentInput;
const interrupted = new AbortController();
process.on('SIGINT', () => interrupted.abort());
const told: Told[] = [];
const ordered: LaterOutput[] = [];
createInterface({ input: process.stdin }).on('line', (line) => told.push(JSON.parse(line) as Told));
const print = (line: LightAgentLine) => process.stdout.write(`${JSON.stringify(line)}\n`);

const entries: Entry[] = existsSync(input.transcript)
  ? readFileSync(input.transcript, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Entry)
  : [];

function add(role: Entry['type'], content: Entry['message']['content'], uuid: string = randomUUID()): void {
  const entry = { type: role, uuid, message: { role, content } };
  const parentUuid = entries.at(-1)?.uuid ?? null;
  mkdirSync(dirname(input.transcript), { recursive: true });
  appendFileSync(
    input.transcript,
    `${JSON.stringify({ parentUuid, isSidechain: false, ...entry, cwd: input.workspace, sessionId: input.sessionId })}\n`,
  );
  entries.push(entry);
}

interface Away {
  readonly modelStatus: number | null;
  readonly retryAfterMs: number;
}

/** `Away` for what may pass, `refused` for what will not. */
async function ask(): Promise<Block[] | Away | 'refused'> {
  try {
    const response = await fetch(`${input.modelUrl}/v1/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        model: 'light',
        max_tokens: 1_000,
        messages: entries.map(({ message }) => message),
      }),
      signal: AbortSignal.any([interrupted.signal, AbortSignal.timeout(input.modelTimeoutMs)]),
    });
    const body = (await response.json()) as { content?: Block[] };
    if (response.ok && body.content) return body.content;
    if (response.status !== 429 && response.status < 500) return 'refused';
    const retryAfterMs = Number(response.headers.get('retry-after') ?? 0) * 1_000;
    return { modelStatus: response.status, retryAfterMs };
  } catch {
    return { modelStatus: null, retryAfterMs: 0 };
  }
}

function work(block: Block): unknown {
  const { file_path: path = 'unnamed', content = '' } = block.input ?? {};
  const file = join(input.workspace, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
  const { later } = block.input ?? {};
  if (later) ordered.push({ text: later.text, at: new Date(Date.now() + later.inMs).toISOString() });
  return { type: 'tool_result', tool_use_id: block.id, content: `wrote ${path}` };
}

/** The calls that the conversation ends with get their result: of people's decision, or that nobody allowed them. */
function settleHeld(): boolean {
  const last = entries.at(-1);
  const blocks = Array.isArray(last?.message.content) ? (last.message.content as Block[]) : [];
  const held = last?.type === 'assistant' ? blocks.filter(({ type }) => type === 'tool_use') : [];
  if (held.length === 0) return false;
  const results = held.map((block) => {
    const decided = input.decided?.find(({ id }) => id === block.id);
    if (decided?.verdict === 'allow') return work(block);
    const content = decided?.reason ?? 'Nobody allowed this.';
    return { type: 'tool_result', tool_use_id: block.id, content, is_error: true };
  });
  add('user', results);
  return input.decided !== null;
}

function takeTold(): void {
  for (const { uuid, text } of told.splice(0)) {
    add('user', text, uuid);
    print({ took: uuid });
  }
}

async function converse(): Promise<LightAgentOutput> {
  if (!settleHeld()) add('user', input.text, input.uuid);
  for (let steps = 0, failures = 0; steps < 10 && !interrupted.signal.aborted; ) {
    const answer = await ask();
    if (interrupted.signal.aborted) break;
    if (answer === 'refused') return { status: 'model-refused', text: '' };
    if (!Array.isArray(answer)) {
      failures++;
      // A time that the model names is longer than this process would wait.
      if (failures >= input.modelTries || answer.retryAfterMs > 0)
        return { status: 'model-unavailable', text: '', ...answer };
      await new Promise((resolve) => setTimeout(resolve, 50));
      continue;
    }
    steps++;
    add('assistant', answer);
    const uses = answer.filter((block) => block.type === 'tool_use');
    const text = answer.map((block) => block.text ?? '').join('');
    const asked = uses.find(({ name }) => name === ASKED_TOOL);
    if (asked) {
      const { file_path: file = '', content = '' } = asked.input ?? {};
      return { status: 'ok', text, held: { id: asked.id ?? '', file, content } };
    }
    // What comes when no tool is called any more is a prompt of its own, in the same run.
    if (uses.length === 0 && told.length === 0) return { status: 'ok', text, later: ordered };
    if (uses.length > 0) add('user', uses.map(work));
    takeTold();
  }
  return { status: 'interrupted', text: '' };
}

print({ outcome: await converse() });
process.stdin.destroy();
