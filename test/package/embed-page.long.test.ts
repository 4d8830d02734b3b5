// docs/embed.md: its programs for one machine, as written. The one for AWS runs in test/lambda/moving.long.test.ts.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { programFolder, programsOf } from './doc-program.ts';

const [first = '', , third = ''] = programsOf('docs/embed.md', 'ts');

test('the programs of the page run', async () => {
  const folder = await programFolder();
  try {
    expect(await folder.run(first)).toMatch(/^ok [\s\S]*hello from here/);
    expect(await folder.run(third)).toMatch(/1\D+2\D+3[\s\S]*\nok\n$/);
    // The same key a second time: the events of the same turn, no second one.
    expect(await folder.run(third)).toMatch(/1\D+2\D+3[\s\S]*\nok\n$/);
    const history = `
      import { openSystem } from 'hybrid-sessions';
      const system = await openSystem({ dataDir: 'data' });
      console.log((await system.history('ann')).turns.length);
      await system.close();`;
    expect(await folder.run(history)).toBe('2\n');
  } finally {
    await folder.remove();
  }
});

test('a missing agent folder, an unknown setting and a key too short are said before anything starts', async () => {
  const folder = await programFolder();
  const opening = (settings: string) => `
    import { openSystem } from 'hybrid-sessions';
    await openSystem(${settings} as never).then(
      () => console.log('opened'),
      (error) => console.log(error.code, error.message),
    );`;
  try {
    expect(await folder.run(opening(`{ cwd: 'home' }`))).toMatch(/^no-agent There is no agent folder/);
    expect(await folder.run(opening(`{ datadir: 'x' }`))).toMatch(
      /^bad-config openSystem: datadir: no such setting/,
    );
    expect(await folder.run(opening(`{ access: { keys: ['short'] } }`))).toMatch(/^bad-config access\.keys/);
    expect(await folder.run(opening(`{ aws: { region: 'mars' } }`))).toMatch(
      /^bad-installation aws: region: /,
    );
  } finally {
    await folder.remove();
  }
});

test('the page has a row for each setting and each entry', () => {
  const page = readFileSync('docs/embed.md', 'utf8');
  const settings = readFileSync('src/system/settings.ts', 'utf8');
  const names = [...settings.matchAll(/^ {2}readonly (\w+)\??:/gm)].map(([, name]) => name);
  for (const name of names)
    if (!/apiKeys|knownHosts/.test(name ?? '')) expect(page).toContain(`| \`${name}\` |`);
  const { exports } = JSON.parse(readFileSync('package.json', 'utf8')) as {
    exports: Record<string, unknown>;
  };
  for (const path of Object.keys(exports).filter((path) => path !== '.' && !path.endsWith('.json'))) {
    const last = path.split('/').at(-1) ?? '';
    const listed = path.includes('/contracts/') ? '/testing/contracts/*' : `/${last}\``;
    expect(page, path).toContain(listed);
  }
});
