// `pull` and `push` that die at a named point, as by a power cut: nothing of them runs after it.
import { type PullPoint, pull } from '../../src/cli/pull.ts';
import { type PushPoint, push } from '../../src/cli/push.ts';
import { createTerminal } from '../../src/cli/terminal.ts';

const [point, name, what = '', option, value] = process.argv.slice(2);
const { stdin, stdout, stderr, env } = process;
const terminal = createTerminal({ stdin, stdout, stderr, noColor: true });
const context = { env, cwd: process.cwd(), terminal, version: '0' };
const at = (reached: PullPoint | PushPoint) => {
  if (reached === point) process.kill(process.pid, 'SIGKILL');
};
if (name === 'pull') await pull(context, what, {}, at);
else await push(context, what, option === '--fork' && value ? { fork: value } : {}, at);
