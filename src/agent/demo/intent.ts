// What the demo model understands of a message: a few plain forms, tried in order.

export interface DemoCall {
  readonly name: string;
  readonly input: Readonly<Record<string, unknown>>;
}

export type Intent =
  | { readonly kind: 'tools'; readonly calls: readonly DemoCall[] }
  | { readonly kind: 'count'; readonly to: number }
  | { readonly kind: 'slowly'; readonly text: string }
  | { readonly kind: 'remember'; readonly text: string }
  | { readonly kind: 'recall' }
  | { readonly kind: 'help' }
  | { readonly kind: 'other' };

const MAX_COUNT = 1_000;

const tools = (...calls: DemoCall[]): Intent => ({ kind: 'tools', calls });

/** Each form with what it makes of its match. */
const FORMS: readonly (readonly [RegExp, (match: readonly string[]) => Intent])[] = [
  [
    /^(?:run:|\$)\s*([\s\S]+)$/i,
    ([, command = '']) => tools({ name: 'Bash', input: { command, description: 'Runs what was asked for' } }),
  ],
  [
    /^write\s+([^\s:]+)\s*:\s?([\s\S]*)$/i,
    ([, path = '', content = '']) =>
      tools({ name: 'Write', input: { file_path: path, content: `${content}\n` } }),
  ],
  [/^read\s+(\S+)$/i, ([, path = '']) => tools({ name: 'Read', input: { file_path: path } })],
  [/^send\s+(\S+)$/i, ([, path = '']) => tools({ name: 'mcp__this_chat__send_file', input: { path } })],
  [
    /^todos?\s*:\s*([\s\S]+)$/i,
    ([, list = '']) =>
      tools(
        ...list
          .split(/[,\n]/)
          .map((subject) => subject.trim())
          .filter((subject) => subject !== '')
          .map((subject) => ({ name: 'TaskCreate', input: { subject, description: subject } })),
      ),
  ],
  [/^(?:show\s+|list\s+)?(?:my\s+)?(?:todos?|tasks?)\W*$/i, () => tools({ name: 'TaskList', input: {} })],
  [
    /^ask\s+(?:the\s+)?(\S+?)(?:\s+subagent)?(?:\s+to|:|,)?\s+([\s\S]+)$/i,
    ([, name = '', prompt = '']) =>
      tools({ name: 'Agent', input: { subagent_type: name, description: 'Asked in the demo', prompt } }),
  ],
  [
    /^use\s+(?:the\s+)?skill\s+([\w:-]+)/i,
    ([, name = '']) =>
      tools({ name: 'Skill', input: { skill: name.includes(':') ? name : `agent:${name}` } }),
  ],
  [
    /^(?:please\s+)?(?:roll|throw)\s+(?:(?:a\s+)?(\d+)?d(\d+)|(?:a|an|the|some|(\d+))?\s*dic?e)\b/i,
    ([, count, sides, many]) =>
      tools({
        name: 'mcp__dice__roll',
        input: { sides: Number(sides ?? 6), count: Number(count ?? many ?? 1) },
      }),
  ],
  [
    /^count\s+(?:slowly\s+)?to\s+(\d+)/i,
    ([, to = '']) => ({ kind: 'count', to: Math.max(1, Math.min(MAX_COUNT, Number(to))) }),
  ],
  [/^slowly\s*:\s*([\s\S]+)$/i, ([, text = '']) => ({ kind: 'slowly', text })],
  [
    /^(?:what\s+(?:did\s+i|do\s+you\s+(?:remember|know))|recall\b|do\s+you\s+remember)/i,
    () => ({ kind: 'recall' }),
  ],
  [
    /^(?:please\s+)?remember(?:\s+that|\s*:)?\s+([\s\S]+)$/i,
    ([, text = '']) => ({ kind: 'remember', text: text.trim() }),
  ],
  [/^(?:\/?help|\?|what\s+can\s+you\s+do\W*)$/i, () => ({ kind: 'help' })],
];

export function intentOf(prompt: string): Intent {
  const text = prompt.trim();
  for (const [form, make] of FORMS) {
    const match = form.exec(text);
    if (match) {
      const intent = make(match);
      if (intent.kind !== 'tools' || intent.calls.length > 0) return intent;
    }
  }
  return { kind: 'other' };
}
