// Access keys of roles and of sessions, each with what its policies allow: for stand-ins that refuse what AWS would refuse.
import { randomBytes } from 'node:crypto';
import { type IamRequest, isAllowed, type PolicyStatement, type Variables } from './evaluate.ts';

export interface Principal {
  /** For messages of tests. */
  readonly name: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Of a session: every request has to show it. */
  readonly sessionToken?: string;
  allows(request: IamRequest): boolean;
}

export interface Keyring {
  role(name: string, statements: readonly PolicyStatement[]): Principal;
  session(name: string, statements: readonly PolicyStatement[], tags: Variables): Principal;
  find(accessKeyId: string): Principal | undefined;
  /** What was refused so far: `role: action resource`. */
  readonly refused: readonly string[];
}

export function createKeyring(): Keyring {
  const known = new Map<string, Principal>();
  const refused: string[] = [];

  function issue(
    name: string,
    kind: 'AKIA' | 'ASIA',
    statements: readonly PolicyStatement[],
    tags: Variables,
  ): Principal {
    const principal: Principal = {
      name,
      accessKeyId: `${kind}${randomBytes(8).toString('hex').toUpperCase()}`,
      secretAccessKey: randomBytes(20).toString('hex'),
      ...(kind === 'ASIA' && { sessionToken: randomBytes(20).toString('hex') }),
      allows(request) {
        const allowed = isAllowed(statements, request, tags);
        if (!allowed) {
          const keys = request.context?.['dynamodb:LeadingKeys'] ?? request.context?.['s3:prefix'] ?? [];
          refused.push(`${name}: ${[request.action, request.resource, ...keys].join(' ')}`);
        }
        return allowed;
      },
    };
    known.set(principal.accessKeyId, principal);
    return principal;
  }

  return {
    role: (name, statements) => issue(name, 'AKIA', statements, {}),
    session: (name, statements, tags) => issue(name, 'ASIA', statements, tags),
    find: (accessKeyId) => known.get(accessKeyId),
    refused,
  };
}
