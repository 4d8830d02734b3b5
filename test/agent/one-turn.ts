// A program that runs one turn of a session and prints its outcome: another process, as another worker would be.
// Usage: one-turn.ts <JSON {root, sessionId, modelUrl, text}>
import { randomUUID } from 'node:crypto';
import { loadAgentFolder } from '../../src/agent/agent-folder.ts';
import { createAgentRunner } from '../../src/agent/runner.ts';
import { EXAMPLE, leaseOf, NO_SANDBOX, requestOf } from './turn-fixture.ts';

const input = JSON.parse(process.argv[2] ?? '{}');
const runner = createAgentRunner({
  folder: await loadAgentFolder(EXAMPLE),
  model: { baseUrl: input.modelUrl, apiKey: 'real-key', demo: false },
  sandbox: NO_SANDBOX,
});
const outcome = await runner.run({
  sessionId: leaseOf(input.sessionId).sessionId,
  resume: true,
  continuing: false,
  directory: {
    root: input.root,
    config: `${input.root}/config`,
    workspace: `${input.root}/workspace`,
  },
  // Each message has an id of its own: one that the conversation holds already is no new message for the CLI.
  request: requestOf(input.text, randomUUID()),
  tries: 1,
  signal: new AbortController().signal,
  progress: () => {},
});
process.stdout.write(JSON.stringify(outcome));
process.exit(0);
