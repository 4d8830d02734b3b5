// Agents in a function of their own (`isolated`), whose environments each serve one session: see src/host/lambda. This
// function holds the stores, the queue and the channels, and no key of a model; it never opens a file of an agent.
import { LambdaClient } from '@aws-sdk/client-lambda';
import { systemClock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import { createLambdaHosts } from '../host/lambda/lambda-hosts.ts';
import { createProcessHosts, type ProcessHosts } from '../host/process-hosts.ts';
import { createDynamoMailbox } from '../stores/dynamodb/mailbox.ts';
import { createS3Presigner } from '../stores/s3/presigner.ts';
import { isolatedHostsSchema, readConfiguration } from './configuration.ts';
import { createGatewayAccess } from './gateway-access.ts';
import type { WorkerHosts } from './worker.ts';

/** A URL is made when it is needed; an upload may have to wait for another one. */
const URL_SEC = 15 * 60;

export function isolatedHosts({ log }: { readonly log: Log }): WorkerHosts {
  const configuration = readConfiguration(isolatedHostsSchema, process.env);
  const { stateTable, bucket, agentHostFunction, gatewayUrl, gatewaySecretParameter } = configuration;
  const tables = { stateTable, clock: systemClock };
  const region = process.env.AWS_REGION ?? '';
  let hosts: ProcessHosts | null = null;
  return {
    parameters: [gatewaySecretParameter],
    async open({ objects, state, limits, secrets, usage }) {
      const secret = Buffer.from(secrets.get(gatewaySecretParameter) ?? '', 'base64url');
      hosts = createProcessHosts({
        start: createLambdaHosts({
          // What is refused is for the queue to repeat; a second try could run a second host.
          client: new LambdaClient({ maxAttempts: 1, requestHandler: { connectionTimeout: 2_000 } }),
          functionName: agentHostFunction,
          presigner: createS3Presigner({ bucket, expiresInSec: URL_SEC }),
          objects,
          mailbox: createDynamoMailbox(tables),
          control: { url: gatewayUrl, secret },
          clock: systemClock,
          log,
        }),
        objects,
        state,
        limits,
        access: createGatewayAccess({
          url: gatewayUrl,
          secret,
          endpoint: {
            demo: configuration.modelProvider === 'demo',
            ...(configuration.model === undefined ? {} : { model: configuration.model }),
            ...(configuration.modelProvider === 'bedrock' ? { bedrock: { AWS_REGION: region } } : {}),
          },
          budgets: configuration.budgets,
          usage,
          clock: systemClock,
        }),
        // A host without a session would need a tenant id of its own.
        spares: 0,
        log,
      });
      return hosts;
    },
    settle: async () => hosts?.close(),
  };
}
