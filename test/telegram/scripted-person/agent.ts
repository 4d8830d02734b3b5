// The agent of the scenarios: a script that does what the message says. It remembers what a session was told.
import type { AskedCall } from '../../../src/core/asked-call.ts';
import type { AgentOutcome, AgentRun, AgentRunner } from '../../../src/core/ports.ts';

const publish: AskedCall = {
  ...{ id: 'toolu_1', tool: 'Bash', title: 'Bash: npm publish', detail: 'npm publish' },
  ...{ format: 'command', hash: 'h1', waits: 'held', covers: 'call' },
};
const remove: AskedCall = { ...publish, id: 'toolu_2', title: 'Bash: rm a', hash: 'h2', waits: 'again' };
const color: AskedCall = {
  ...{ ...publish, id: 'toolu_3', tool: 'AskUserQuestion', title: 'Question' },
  choices: [
    {
      question: 'Which color?',
      multiple: false,
      options: [
        { label: 'Red', description: '' },
        { label: 'Blue', description: 'cold' },
      ],
    },
  ],
};
const ASKS: Readonly<Record<string, readonly AskedCall[]>> = {
  ask: [publish],
  'ask two': [publish, remove],
  color: [color],
};

const ROWS = Array.from({ length: 300 }, (_, row) => `| row ${row} | ${'x'.repeat(20)} |`);
const TEXTS: Readonly<Record<string, string>> = {
  long: Array.from({ length: 120 }, (_, i) => `Paragraph ${i}: ${'word '.repeat(12)}`).join('\n\n'),
  code: `Here it is:\n\n\`\`\`ts\n${Array.from({ length: 300 }, (_, i) => `const value${i} = ${i};`).join('\n')}\n\`\`\``,
  table: `| name | value |\n|---|---|\n${ROWS.join('\n')}`,
  list: Array.from({ length: 120 }, (_, i) => `${i + 1}. ${'step '.repeat(9)}`).join('\n'),
  formatted: '**Bold**, `code` and a [link](https://example.test)',
  picture: 'Look: ![a map](https://example.test/map.png)',
  empty: '',
};

export function scriptedAgent(): { readonly runner: AgentRunner; readonly release: () => void } {
  const told = new Map<string, string[]>();
  const tries = new Map<string, number>();
  let release = () => {};

  async function work(run: AgentRun): Promise<AgentOutcome> {
    const heard: string[] = [];
    const hear = new Promise<void>((resolve) => {
      run.steering?.listen(({ turnId, text }) => {
        heard.push(text);
        run.steering?.took(turnId);
        resolve();
      });
    });
    run.progress({ type: 'text', text: 'Half of it.' });
    run.progress({ type: 'tool', id: 't', name: 'Bash', summary: 'Bash: make', state: 'started' });
    const released = new Promise<void>((resolve) => (release = resolve));
    const stopped = new Promise<void>((resolve) => run.signal.addEventListener('abort', () => resolve()));
    await Promise.race([released, stopped, hear]);
    if (run.signal.aborted) return { status: 'stopped', text: 'Half of it.', demo: false };
    return ok(
      heard.length > 0 ? `Half of it. And I was told: ${heard.join(', ')}` : 'Half of it. All of it.',
    );
  }

  const runner: AgentRunner = {
    models: async () => ({ own: 'claude-sonnet-5', choices: ['claude-opus-5'] }),
    async run(run) {
      const { text, turnId, context } = run.request;
      const before = told.get(run.sessionId) ?? [];
      told.set(run.sessionId, [...before, text]);
      const turn = (tries.get(turnId) ?? 0) + 1;
      tries.set(turnId, turn);
      const calls = run.decided?.calls;
      if (calls) return ok(calls.map(decided).join('\n'));
      const asks = ASKS[text];
      if (asks) {
        const allowed = asks.every(({ hash }) => run.decided?.granted.some((grant) => grant.hash === hash));
        const asked = { calls: [...asks], approvers: null, expiresAfterSec: null };
        return allowed ? ok('Done without asking.') : { ...ok('I want to do something.'), asked };
      }
      if (text in TEXTS) return ok(TEXTS[text] ?? '');
      if (text.startsWith('work')) return await work(run);
      if (text === 'what do you remember?') return ok(`Before: ${before.join(', ') || 'nothing'}`);
      if (text === 'what do you see?') return ok(`\`\`\`json\n${JSON.stringify(context ?? {})}\n\`\`\``);
      if (text.length > 3_000) return ok(`${text.length} characters, ends with "${text.slice(-8)}"`);
      if (text === '/hours') return ok('We are open from 9 to 5.');
      if (text === 'which model?') return ok(run.model ?? 'the usual one');
      if (text === 'leave something running') {
        return {
          ...ok('The server is up.'),
          ended: [{ name: 'npm run dev', lastLines: 'listening on 3000' }],
        };
      }
      if (text === 'fail') return failed('agent-error', 'The agent ended with an error.');
      if (text === 'crash' && turn === 1) return failed('agent-crashed', 'killed');
      if (text === 'outage' && turn === 1) return failed('model-unavailable', 'no answer');
      return ok(`heard ${text}`);
    },
  };
  return { runner, release: () => release() };
}

function decided({
  title,
  verdict,
  reason,
  answers,
}: NonNullable<NonNullable<AgentRun['decided']>['calls']>[number]) {
  const why = reason ? ` (${reason})` : '';
  const said = answers ? ` ${Object.values(answers).join(', ')}` : '';
  return `${title}: ${verdict}${why}${said}`;
}

function ok(text: string): AgentOutcome {
  return { status: 'ok', text, demo: false };
}

function failed(code: NonNullable<AgentOutcome['failure']>['code'], message: string): AgentOutcome {
  return { status: 'failed', text: '', demo: false, failure: { code, message } };
}
