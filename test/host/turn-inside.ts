// A host program as small as can be: runs inside the sandbox, makes the model's socket a port, and runs one turn of the
// real CLI there. Usage: turn-inside.ts <text>; its folders are $HOME/turns. Prints the outcome as JSON.
import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { loadAgentFolder } from '../../src/agent/agent-folder.ts';
import { createAgentRunner } from '../../src/agent/runner.ts';
import { createWorkplace } from '../../src/agent/workplace.ts';
import { openForwards, SOCKETS_VARIABLE } from '../../src/host/sandbox/index.ts';
import { EXAMPLE, leaseOf, NO_SANDBOX, requestOf } from '../agent/turn-fixture.ts';

const forwards = await openForwards(process.env[SOCKETS_VARIABLE]);
const root = join(process.env.HOME!, 'turns');
mkdirSync(root);
const workplace = createWorkplace({ root });
const lease = leaseOf(randomUUID());
const runner = createAgentRunner({
  folder: await loadAgentFolder(EXAMPLE),
  model: { baseUrl: `http://127.0.0.1:${forwards.ports.model}`, apiKey: 'key-of-the-turn', demo: false },
  sandbox: NO_SANDBOX,
  network: forwards.proxyEnvironment,
});
const outcome = await runner.run({
  sessionId: lease.sessionId,
  resume: false,
  continuing: false,
  directory: await workplace.open(lease),
  request: requestOf(process.argv[2]!, 'message-1'),
  tries: 1,
  signal: new AbortController().signal,
  progress: () => {},
});
process.stdout.write(JSON.stringify(outcome), () => process.exit(0));
