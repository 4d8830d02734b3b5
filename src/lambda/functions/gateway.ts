// The function behind which the models are, for agents in functions of their own; it holds the model's key. Each call shows the
// signed token of a turn, and is streamed through. It also is where a host hears its worker (`/control`).
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import type { Context, LambdaFunctionURLEvent } from 'aws-lambda';
import { upstreamOf } from '../../agent/model-access.ts';
import { systemClock } from '../../core/clock.ts';
import { once } from '../../core/once.ts';
import { isCommitted } from '../../core/records.ts';
import { createStatelessGateway } from '../../gateway/stateless-gateway.ts';
import { createControlEndpoint } from '../../host/lambda/control-endpoint.ts';
import { createDynamoMailbox } from '../../stores/dynamodb/mailbox.ts';
import { createDynamoModelTroubles } from '../../stores/dynamodb/model-troubles.ts';
import { createDynamoSessionStore } from '../../stores/dynamodb/session-store.ts';
import { createDynamoTurnNotes } from '../../stores/dynamodb/turn-notes.ts';
import { createDynamoUsageLedger } from '../../stores/dynamodb/usage-ledger.ts';
import { createSsmVault } from '../../stores/ssm/vault.ts';
import { allOf, readServerLists, SERVER_LIST_FILE } from '../../tool-servers/server-list.ts';
import { createSignInPages } from '../../tool-servers/sign-in/sign-in-pages.ts';
import { createToolServers } from '../../tool-servers/tool-servers.ts';
import { gatewaySchema, readConfiguration } from '../configuration.ts';
import { type ResponseStreams, requestOf, streamAnswer } from '../function-url.ts';
import { readModelChoice } from '../model.ts';
import { createObservability, noteRefusal } from '../observability.ts';
import { readParameters } from '../parameters.ts';

declare const awslambda: {
  streamifyResponse<E>(
    handler: (event: E, stream: Writable, context: Context) => Promise<void>,
  ): (event: E, context: Context) => Promise<void>;
  readonly HttpResponseStream: ResponseStreams;
};

/** A call ends this long before the time-out, so that what it used is written down. */
const MARGIN_MS = 10_000;

const SERVER_LIST = join(process.env.LAMBDA_TASK_ROOT ?? import.meta.dirname, SERVER_LIST_FILE);
const configuration = readConfiguration(gatewaySchema, process.env);
const { log, flush } = createObservability(configuration);

/** `publicUrl`: this function's own, at which people sign in to tool servers. */
const openAt = (publicUrl: string) =>
  once(async () => {
    const { mappingTable, stateTable, gatewaySecretParameter, modelKeyParameter } = configuration;
    const names = modelKeyParameter === undefined ? [] : [modelKeyParameter];
    const parameters = await readParameters([gatewaySecretParameter, ...names]);
    const secrets = [Buffer.from(parameters.get(gatewaySecretParameter) ?? '', 'base64url')];
    const tables = { mappingTable, stateTable, clock: systemClock };
    const store = createDynamoSessionStore(tables);
    const key = parameters.get(modelKeyParameter ?? '');
    const upstream = upstreamOf(await readModelChoice(configuration, key, process.env.AWS_REGION));
    const lists = readServerLists(existsSync(SERVER_LIST) ? readFileSync(SERVER_LIST, 'utf8') : undefined);
    const vault = createSsmVault({ prefix: configuration.vault });
    const toolServers = createToolServers({
      vault,
      remember: true,
      secret: secrets[0] ?? Buffer.alloc(0),
      listening: false,
      publicUrl,
      log,
    });
    const signIn = createSignInPages({ vault, list: allOf(lists), publicUrl, clock: systemClock, log });
    return {
      signIn,
      control: createControlEndpoint({ mailbox: createDynamoMailbox(tables), secrets, clock: systemClock }),
      models: createStatelessGateway({
        secrets,
        upstream,
        usage: createDynamoUsageLedger(tables),
        toolsOf({ person, agent = '', ...grant }) {
          const list = lists.get(agent);
          if (person === undefined || !list) return null;
          return toolServers.openTurn({ ...grant, speaker: person, speakerName: 'you', ...list });
        },
        async isOver({ tenant, turnId }) {
          const turn = await store.getTurn(tenant, turnId);
          return turn === null || isCommitted(turn);
        },
        troubles: createDynamoModelTroubles(tables),
        notes: createDynamoTurnNotes(tables),
        log,
      }),
    };
  });

let open: ReturnType<typeof openAt> | undefined;

export const handler = awslambda.streamifyResponse<LambdaFunctionURLEvent>(async (event, stream, context) => {
  const ending = new AbortController();
  const timer = setTimeout(() => ending.abort(), context.getRemainingTimeInMillis() - MARGIN_MS);
  try {
    const request = new Request(requestOf(event), { signal: ending.signal });
    open ??= openAt(new URL(request.url).origin);
    const { control, signIn, models } = await open();
    const response =
      (await control(request)) ?? (await signIn.fetch(request)) ?? (await models.handle(request));
    noteRefusal(response, log);
    await streamAnswer(response, stream, awslambda.HttpResponseStream);
    await models.written();
  } finally {
    clearTimeout(timer);
    flush();
  }
});
