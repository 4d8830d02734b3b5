// The example channel is as short as its page says, and uses nothing of this package but its public entry.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const read = (file: string) => readFileSync(`examples/channels/${file}`, 'utf8');

test('a whole channel is under 150 lines', () => {
  expect(read('discord.ts').trimEnd().split('\n').length).toBeLessThan(150);
});

test.each(['discord.ts', 'template.ts', 'discord.test.ts', 'fake-discord.ts'])(
  '%s imports public entries only',
  (file) => {
    const { exports } = JSON.parse(readFileSync('package.json', 'utf8')) as { exports: object };
    const entries = Object.keys(exports).map((path) => `hybrid-sessions${path.slice(1)}`);
    const imported = [...read(file).matchAll(/from '(hybrid-sessions[^']*|\.\.[^']*)'/g)].map(
      ([, name]) => name,
    );
    expect(imported.length).toBeGreaterThan(0);
    for (const name of imported) expect(entries).toContain(name);
  },
);

test('the page tells of everything that the entry exports as a value', () => {
  const page = readFileSync('docs/channels.md', 'utf8');
  const source = readFileSync('src/channel.ts', 'utf8').replace(/type \w+/g, '');
  const names = [...source.matchAll(/^export \{([^}]*)\}/gm)].flatMap(
    ([, list = '']) => list.match(/\w+/g) ?? [],
  );
  expect(names).toContain('defineChannel');
  for (const name of names) expect(page, name).toContain(`\`${name}`);
});
