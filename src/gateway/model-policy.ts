// Which models a turn may call: those its agent was given. Names are compared as the API knows them; a short name such as
// `sonnet` stands for its family, since the CLI decides which model of it is meant.

/** What the CLI takes when nobody names a model, and what it takes for titles, summaries and web pages. */
export const CLI_DEFAULT_MODELS = ['sonnet', 'opus'] as const;
export const CLI_SMALL_MODELS = ['haiku'] as const;

export type ModelPolicy = (model: string) => boolean;

export const anyModel: ModelPolicy = () => true;

const FAMILIES = ['opus', 'sonnet', 'haiku', 'fable', 'mythos'];

/** Short names that stand for something else than the family of that name. */
const SHORT_NAMES: Readonly<Record<string, readonly string[]>> = {
  default: CLI_DEFAULT_MODELS,
  best: ['opus', 'fable'],
  opusplan: ['opus', 'sonnet'],
  inherit: [],
};

/** In the place of these the CLI asks for a newer model of the family (seen with SDK 0.3.330). */
const REPLACED = /^claude-(opus)-4(?:-[01])?(?:-\d{8})?$/;

/** A name that the CLI makes another of. */
export function isShortName(name: string): boolean {
  const plain = plainName(name);
  return FAMILIES.includes(plain) || Object.hasOwn(SHORT_NAMES, plain) || REPLACED.test(plain);
}

/** `names`: full names, names for Bedrock, or short ones. */
export function modelPolicy(names: readonly string[]): ModelPolicy {
  const short = names
    .map(plainName)
    .flatMap((name) => (Object.hasOwn(SHORT_NAMES, name) ? (SHORT_NAMES[name] ?? []) : [name]));
  const replaced = short.flatMap((name) => REPLACED.exec(name)?.[1] ?? []);
  const families = [...short.filter((name) => FAMILIES.includes(name)), ...replaced];
  const exact = short.filter((name) => !FAMILIES.includes(name));
  return (model) => {
    const asked = plainName(model);
    return (
      exact.some((name) => asked === name || isDatedFormOf(asked, name)) ||
      families.some((family) => isOfFamily(asked, family))
    );
  };
}

/** Without the mark for a long context, which the CLI takes off before it asks. */
function plainName(model: string): string {
  return model
    .trim()
    .toLowerCase()
    .replace(/\[1m\]$/, '');
}

/** `claude-sonnet-5` as `claude-sonnet-5-20260801`. */
function isDatedFormOf(asked: string, name: string): boolean {
  return asked.startsWith(name) && /^-\d{8}$/.test(asked.slice(name.length));
}

/** `claude-3-5-haiku-20241022`, `claude-haiku-4-5`, `us.anthropic.claude-haiku-4-5-20251001-v1:0`, or an ARN of such. */
function isOfFamily(asked: string, family: string): boolean {
  const known = /(?:^|[./])claude-(?:\d+-){0,2}([a-z]+)(?:-\d+)*(?:-v\d+(?::\d+)?)?$/.exec(asked);
  return known?.[1] === family;
}
