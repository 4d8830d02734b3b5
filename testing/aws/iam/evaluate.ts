// A small evaluator of IAM policies: what is not allowed is denied, a deny wins, a condition that is not known fails the
// test rather than passing. It knows what this project's policies use: Action and Resource with wildcards, StringEquals,
// StringLike, ForAllValues of both, Null, ArnLike, Bool, and variables of the caller's tags.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html (read 2026-11)

export interface PolicyStatement {
  readonly Effect: 'Allow' | 'Deny';
  readonly Action: string | readonly string[];
  readonly Resource: string | readonly string[];
  readonly Condition?: Readonly<
    Record<string, Readonly<Record<string, string | readonly string[] | boolean>>>
  >;
}

export interface IamRequest {
  readonly action: string;
  readonly resource: string;
  /** Condition keys that the request has. */
  readonly context?: Readonly<Record<string, readonly string[]>>;
}

/** Variables such as `aws:PrincipalTag/tenant`. One that is not here matches nothing. */
export type Variables = Readonly<Record<string, string>>;

export function isAllowed(
  statements: readonly PolicyStatement[],
  request: IamRequest,
  variables: Variables = {},
): boolean {
  const applying = statements.filter((statement) => applies(statement, request, variables));
  return (
    applying.some(({ Effect }) => Effect === 'Allow') && !applying.some(({ Effect }) => Effect === 'Deny')
  );
}

function applies(statement: PolicyStatement, request: IamRequest, variables: Variables): boolean {
  const { Action, Resource, Condition = {} } = statement;
  const context = { ...request.context, ...asContext(variables) };
  return (
    list(Action).some((pattern) => matches(pattern.toLowerCase(), request.action.toLowerCase(), {})) &&
    list(Resource).some((pattern) => matches(pattern, request.resource, variables)) &&
    Object.entries(Condition).every(([operator, keys]) =>
      Object.entries(keys).every(([key, wanted]) =>
        holds(operator, lookUp(context, key), list(wanted).map(String), variables),
      ),
    )
  );
}

function holds(
  operator: string,
  values: readonly string[] | undefined,
  wanted: readonly string[],
  variables: Variables,
): boolean {
  const like = (value: string) => wanted.some((pattern) => matches(pattern, value, variables));
  switch (operator) {
    case 'StringEquals':
      return (values ?? []).some((value) => wanted.some((one) => fill(one, variables) === value));
    case 'ForAllValues:StringEquals':
      return (values ?? []).every((value) => wanted.some((one) => fill(one, variables) === value));
    case 'StringLike':
    case 'ArnLike':
      return (values ?? []).some(like);
    case 'ForAllValues:StringLike':
      // True of none at all: hence the Null condition that has to stand beside it.
      return (values ?? []).every(like);
    case 'Null':
      return wanted.includes(String(values === undefined || values.length === 0));
    case 'Bool':
      return (values ?? []).some((value) => wanted.includes(value));
    default:
      throw new Error(`The evaluator does not know the condition ${operator}.`);
  }
}

/** `*` and `?` are wildcards in the pattern, never in what a variable stands for. */
function matches(pattern: string, value: string, variables: Variables): boolean {
  const parts = pattern.split(/(\$\{[^}]+\}|\*|\?)/).map((part) => {
    if (part === '*') return '[\\s\\S]*';
    if (part === '?') return '[\\s\\S]';
    const name = /^\$\{([^}]+)\}$/.exec(part)?.[1];
    if (name === undefined) return literal(part);
    const filled = variables[name];
    return filled === undefined ? null : literal(filled);
  });
  return !parts.includes(null) && new RegExp(`^${parts.join('')}$`).test(value);
}

function fill(text: string, variables: Variables): string | null {
  let isWhole = true;
  const filled = text.replace(/\$\{([^}]+)\}/g, (_, name: string) => {
    if (variables[name] === undefined) isWhole = false;
    return variables[name] ?? '';
  });
  return isWhole ? filled : null;
}

function asContext(variables: Variables): Record<string, readonly string[]> {
  return Object.fromEntries(Object.entries(variables).map(([name, value]) => [name, [value]]));
}

/** Names of condition keys know no case. */
function lookUp(
  context: Readonly<Record<string, readonly string[]>>,
  key: string,
): readonly string[] | undefined {
  const found = Object.keys(context).find((name) => name.toLowerCase() === key.toLowerCase());
  return found === undefined ? undefined : context[found];
}

function literal(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

function list<T>(value: T | readonly T[]): readonly T[] {
  return Array.isArray(value) ? (value as readonly T[]) : [value as T];
}
