// SSM Parameter Store as far as the functions use it: SecureString parameters by name, over the JSON protocol of the
// real client. It checks no signatures and encrypts nothing.
import { bodyOf, serveLoopback } from '../aws/loopback.ts';
import type { StandIn } from '../aws/process.ts';

export interface ParameterStore extends StandIn {
  readonly values: Map<string, string>;
}

interface Input {
  readonly Name?: string;
  readonly Names?: readonly string[];
  readonly Value?: string;
  readonly Type?: string;
  readonly Overwrite?: boolean;
  readonly WithDecryption?: boolean;
}

const MAX_AT_ONCE = 10;

export async function startParameterStore(values: Record<string, string> = {}): Promise<ParameterStore> {
  const kept = new Map(Object.entries(values));
  const server = await serveLoopback(async (request, response) => {
    const input = JSON.parse((await bodyOf(request)).toString('utf8')) as Input;
    const operation = String(request.headers['x-amz-target']).split('.')[1] ?? '';
    const { status, body } = answer(kept, operation, input);
    response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' });
    response.end(JSON.stringify(body));
  });
  return { ...server, values: kept };
}

function answer(
  kept: Map<string, string>,
  operation: string,
  input: Input,
): { status: number; body: object } {
  const names = input.Names ?? [];
  if (names.length > MAX_AT_ONCE) return refusal('ValidationException', 'At most 10 names.');
  if (operation === 'GetParameters') {
    // As on AWS: whoever forgets to ask for decryption gets something, and nothing that works.
    const shownValue = (name: string) => (input.WithDecryption ? kept.get(name) : 'AQICAHencrypted');
    const found = names.filter((name) => kept.has(name));
    return {
      status: 200,
      body: {
        Parameters: found.map((Name) => ({
          Name,
          Type: 'SecureString',
          Value: shownValue(Name),
          Version: 1,
        })),
        InvalidParameters: names.filter((name) => !kept.has(name)),
      },
    };
  }
  if (operation === 'PutParameter') {
    const { Name = '', Value = '', Type, Overwrite = false } = input;
    if (Type !== 'SecureString') return refusal('ValidationException', 'Secrets are SecureString.');
    if (kept.has(Name) && !Overwrite)
      return refusal('ParameterAlreadyExists', 'The parameter already exists.');
    kept.set(Name, Value);
    return { status: 200, body: { Version: 1, Tier: 'Standard' } };
  }
  if (operation === 'DeleteParameters') {
    const deleted = names.filter((name) => kept.delete(name));
    return { status: 200, body: { DeletedParameters: deleted, InvalidParameters: [] } };
  }
  return refusal('UnknownOperationException', operation);
}

function refusal(type: string, message: string): { status: number; body: object } {
  return { status: 400, body: { __type: type, message } };
}
