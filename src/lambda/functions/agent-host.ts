// The function in which agents run, one session in each of its environments. Its role may write its log; its variables hold
// no secret. What it needs is in the invocation: URLs for a few objects, and a token to hear its worker.
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { Context } from 'aws-lambda';
import { endProcesses } from '../../agent/processes.ts';
import { WORKSPACE_LIMITS } from '../../core/defaults.ts';
import { createInvocationServer } from '../../host/lambda/serve-invocation.ts';
import { agentHostSchema, readConfiguration } from '../configuration.ts';
import { createObservability } from '../observability.ts';
import { pathOfAgent } from '../shared-hosts.ts';
import { watchUser } from '../watch-user.ts';

declare const awslambda: {
  streamifyResponse<E>(
    handler: (event: E, stream: Writable, context: Context) => Promise<void>,
  ): (event: E, context: Context) => Promise<void>;
};

const configuration = readConfiguration(agentHostSchema, process.env);
const { log, flush } = createObservability(configuration);
const { temporary, maxWorkspaceBytes } = configuration;
const taskRoot = process.env.LAMBDA_TASK_ROOT ?? import.meta.dirname;
const endOthers = watchUser(log, flush);

/** What stays of a session between two invocations is remembered here, in the process, and nowhere else. */
const serve = createInvocationServer({
  root: temporary,
  agentFolder: join(taskRoot, 'agent'),
  agentFolders: join(taskRoot, 'agents'),
  limits: { ...WORKSPACE_LIMITS, maxWorkspaceBytes },
  path: pathOfAgent(taskRoot),
  ownsUser: endOthers !== null,
  endOthers: endOthers ?? (async () => void (await endProcesses(temporary))),
});

export const handler = awslambda.streamifyResponse(async (event, stream) => {
  try {
    await serve(event, stream);
    stream.end();
    await finished(stream);
  } finally {
    flush();
  }
});
