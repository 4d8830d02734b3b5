// SSM Parameter Store as far as the functions use it: SecureString parameters by name, over the JSON protocol of the
// real client. It checks no signatures and encrypts nothing.
import { bodyOf, serveLoopback } from '../aws/loopback.ts';
import type { StandIn } from '../aws/process.ts';

export interface ParameterStore extends StandIn {
  readonly values: Map<string, string>;
}

interface Input {
  readonly Name?: string;
  readonly Path?: string;
  readonly MaxResults?: number;
  readonly NextToken?: string;
  readonly Names?: readonly string[];
  readonly Value?: string;
  readonly Type?: string;
  readonly Overwrite?: boolean;
  readonly WithDecryption?: boolean;
}

const MAX_AT_ONCE = 10;
const STARTED_MS = Date.now();
/** Up to 15 levels; the whole ARN may have 1,011 characters. */
const NAME = /^\/?[a-zA-Z0-9_.-]+(?:\/[a-zA-Z0-9_.-]+){0,14}$/;
const MAX_NAME = 900;
/** Of an advanced parameter. */
const MAX_VALUE_BYTES = 8_192;

export async function startParameterStore(values: Record<string, string> = {}): Promise<ParameterStore> {
  const kept = new Map(Object.entries(values));
  const changed = new Map<string, number>();
  const server = await serveLoopback(async (request, response) => {
    const input = JSON.parse((await bodyOf(request)).toString('utf8')) as Input;
    const operation = String(request.headers['x-amz-target']).split('.')[1] ?? '';
    const { status, body } = answer(kept, changed, operation, input);
    response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' });
    response.end(JSON.stringify(body));
  });
  return { ...server, values: kept };
}

function answer(
  kept: Map<string, string>,
  changed: Map<string, number>,
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
    if (!NAME.test(Name) || Name.length > MAX_NAME) return refusal('ValidationException', 'Not a name.');
    if (Value.length === 0 || Buffer.byteLength(Value) > MAX_VALUE_BYTES) {
      return refusal('ValidationException', 'Too short or too long.');
    }
    if (Type !== 'SecureString') return refusal('ValidationException', 'Secrets are SecureString.');
    if (kept.has(Name) && !Overwrite)
      return refusal('ParameterAlreadyExists', 'The parameter already exists.');
    kept.set(Name, Value);
    changed.set(Name, Date.now());
    return { status: 200, body: { Version: 1, Tier: 'Standard' } };
  }
  if (operation === 'GetParametersByPath') {
    const { Path = '', MaxResults = 10, NextToken = '0' } = input;
    if (MaxResults > MAX_AT_ONCE) return refusal('ValidationException', 'At most 10 results.');
    const below = [...kept.keys()].filter((name) => name.startsWith(`${Path}/`)).sort();
    const from = Number(NextToken);
    const page = below.filter((_, at) => at >= from && at < from + MaxResults);
    return {
      status: 200,
      body: {
        Parameters: page.map((Name) => ({
          Name,
          Type: 'SecureString',
          Value: input.WithDecryption ? kept.get(Name) : 'AQICAHencrypted',
          LastModifiedDate: (changed.get(Name) ?? STARTED_MS) / 1_000,
          Version: 1,
        })),
        ...(from + MaxResults < below.length ? { NextToken: String(from + MaxResults) } : {}),
      },
    };
  }
  if (operation === 'DeleteParameter') {
    return kept.delete(input.Name ?? '')
      ? { status: 200, body: {} }
      : refusal('ParameterNotFound', 'There is no such parameter.');
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
