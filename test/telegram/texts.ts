// Seeded Markdown-like texts for fuzzing: paragraphs, lists, tables, nested code, odd fences, long words, emoji.
export type Random = () => number;

/** A small seeded generator (mulberry32): the same seed gives the same texts on every machine. */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const WORDS = [
  'alpha',
  'beta',
  '`code`',
  '**bold**',
  'für',
  '漢字',
  '👩‍👩‍👧',
  '😀',
  '[a](https://x.test)',
  '_it_',
  '\\*',
  '$5',
];

export function pick<T>(random: Random, from: readonly T[]): T {
  return from[Math.floor(random() * from.length)] as T;
}

function words(random: Random, count: number): string {
  return Array.from({ length: count }, () => pick(random, WORDS)).join(' ');
}

function block(random: Random): string {
  const many = 1 + Math.floor(random() * 30);
  switch (Math.floor(random() * 8)) {
    case 0:
      return words(random, many * 3);
    case 1:
      return Array.from({ length: many }, () => `- ${words(random, 4)}`).join('\n');
    case 2:
      return `| a | b |\n|---|---|\n${Array.from({ length: many }, () => `| ${words(random, 2)} | 1 |`).join('\n')}`;
    case 3: {
      const marker = pick(random, ['```', '````', '~~~', '~~~~~']);
      const lines = Array.from({ length: many }, (_, i) =>
        pick(random, ['', `line ${i} 😀`, '``', '# x', '  deep']),
      );
      return `${marker}${pick(random, ['', 'ts', 'python'])}\n${lines.join('\n')}\n${marker}`;
    }
    case 4:
      return `${'x'.repeat(many * 40)}${'😀'.repeat(many * 5)}`;
    case 5:
      return `1. step\n\n   \`\`\`sh\n   ${words(random, many)}\n   \`\`\`\n2. next`;
    case 6:
      return '\n'.repeat(many);
    default:
      return `> ${words(random, many)}\n> \`\`\`\n> ${words(random, 5)}\n> \`\`\``;
  }
}

/** A well-formed reply of up to `blocks` blocks. */
export function markdown(random: Random, blocks: number): string {
  return Array.from({ length: 1 + Math.floor(random() * blocks) }, () => block(random)).join('\n\n');
}

/** Anything: fragments that tear fences and surrogates apart. */
export function garbage(random: Random, length: number): string {
  const bits = [
    '```',
    '~~~',
    '`',
    '\n',
    '\n\n',
    ' ',
    '   ',
    '> ',
    '- ',
    'js',
    'x'.repeat(300),
    '😀',
    '\ud83d',
    '````',
    '\t',
    '\r\n',
    '1) ',
  ];
  let text = '';
  while (text.length < length) text += pick(random, bits);
  return text;
}
