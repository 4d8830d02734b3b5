// Plays a user's program: compiles examples/embed, the example channels and every entry of the package under two ways of resolving modules,
// then runs the result with the package as installed in `project`. Used by check-package.mjs.
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const APPS = ['hono', 'express'];
const CHANNELS = ['discord', 'template'];
const OPTIONS = {
  strict: true,
  noUncheckedIndexedAccess: true,
  exactOptionalPropertyTypes: true,
  skipLibCheck: false,
  target: 'es2024',
  types: ['node'],
};
const RESOLUTIONS = {
  nodenext: { module: 'nodenext', moduleResolution: 'nodenext' },
  bundler: { module: 'preserve', moduleResolution: 'bundler' },
};

const PAGE = `import { ApiProblem, createClient } from 'hybrid-sessions/client';
const client = createClient({ url: '/assistant', token: async () => 'a token' });
for await (const event of client.send('a', 'hello')) {
  if (event.type === 'text') document.title = event.text;
  if (event.type === 'final') console.log(event.reply.outcome.toUpperCase());
}
const { chats } = await client.chats().catch((error) => {
  if (error instanceof ApiProblem && error.status === 404) return { chats: [] };
  throw error;
});
const titles: readonly string[] = chats.map(({ title }) => title);
console.log(titles);
`;

/** Every way into the package that holds code; `/cdk` only where its optional peers were installed, which is not here. */
function entries(root) {
  const { name, exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return Object.entries(exports)
    .filter(([path, target]) => typeof target === 'object' && path !== './cdk')
    .map(([path]) => name + path.slice(1));
}

/** Throws when a consumer does not compile. Leaves what was emitted in `project/out`. */
export function compileConsumer({ root, project, node }) {
  mkdirSync(join(project, 'src'), { recursive: true });
  for (const app of APPS)
    cpSync(join(root, 'examples', 'embed', `${app}.ts`), join(project, 'src', `${app}.ts`));
  for (const channel of CHANNELS)
    cpSync(join(root, 'examples', 'channels', `${channel}.ts`), join(project, 'src', `${channel}.ts`));
  const lines = entries(root).map((path, at) => `export * as entry${at} from '${path}';`);
  writeFileSync(join(project, 'src', 'entries.ts'), `${lines.join('\n')}\n`);
  // A page's program: no types of Node.
  mkdirSync(join(project, 'page'), { recursive: true });
  writeFileSync(join(project, 'page', 'page.ts'), PAGE);
  const page = { ...OPTIONS, ...RESOLUTIONS.bundler, types: [], lib: ['es2024', 'dom'], noEmit: true };
  writeFileSync(join(project, 'page', 'tsconfig.json'), JSON.stringify({ compilerOptions: page }));
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  for (const [name, resolution] of Object.entries(RESOLUTIONS)) {
    const config = join(project, `tsconfig.${name}.json`);
    const compilerOptions = { ...OPTIONS, ...resolution, outDir: 'out', rootDir: 'src' };
    writeFileSync(config, JSON.stringify({ compilerOptions, include: ['src'] }));
    console.log(`$ tsc -p tsconfig.${name}.json`);
    const { status } = spawnSync(node, [tsc, '-p', config], { cwd: project, stdio: 'inherit' });
    if (status !== 0) throw new Error(`A consumer does not compile under ${name}.`);
  }
  const { status } = spawnSync(node, [tsc, '-p', 'page'], { cwd: project, stdio: 'inherit' });
  if (status !== 0) throw new Error('A page that uses the client does not compile.');
}

/** Each app answers by its own routes and by the mounted API. */
export async function runConsumers({ project, node, env }) {
  for (const app of APPS) {
    console.log(`$ node out/${app}.js`);
    const server = spawn(node, [`out/${app}.js`], { cwd: project, env: { ...env, PORT: '0' } });
    const ended = new Promise((resolve) => server.once('exit', resolve));
    try {
      await ask(await addressOf(server, ended), app);
      server.kill('SIGTERM');
      const code = await ended;
      if (code !== 0) throw new Error(`${app} ended with ${code}`);
    } finally {
      server.kill('SIGKILL');
    }
  }
}

async function ask(url, app) {
  const headers = { 'content-type': 'application/json', 'x-user': 'admin' };
  const post = (path, text) => fetch(url + path, { method: 'POST', headers, body: JSON.stringify({ text }) });
  const check = (what, found, wanted) => {
    if (!wanted.test(found)) throw new Error(`${app}: ${what}: ${found}`);
  };
  check('a reply', await (await post('/ask', 'run: echo it-works > a.txt; cat a.txt')).text(), /it-works/);
  const stream = await fetch(`${url}/ask?text=${encodeURIComponent('run: cat a.txt')}`, { headers });
  check('a stream', await stream.text(), /event: final\ndata: .*it-works/);
  check('a mistake', await (await post('/ask', ' ')).text(), /blank-text/);
  const chat = `/admin/agent/v1/chats/user-admin`;
  check('the mounted API', await (await post(`${chat}/messages`, 'run: cat a.txt')).text(), /it-works/);
  check('its list', await (await fetch(url + chat, { headers })).text(), /echo it-works/);
  check('a stranger', String((await fetch(url + chat)).status), /^403$/);
}

/** The first address that it prints. */
export function addressOf(server, ended) {
  return new Promise((resolve, reject) => {
    let said = '';
    const hear = (piece) => {
      said += piece;
      const found = /https?:\/\/127\.0\.0\.1:\d+/.exec(said)?.[0];
      if (found) resolve(found);
    };
    server.stdout.on('data', hear);
    server.stderr.on('data', hear);
    ended.then(() => reject(new Error(`It ended early: ${said}`)));
  });
}

/** On a Node that is too old, every entry says so in words; on any other, all can be loaded. */
export function importEverything({ root, project, node, env }) {
  const version = spawnSync(node, ['-v'], { encoding: 'utf8' }).stdout.trim();
  const old = Number.parseInt(version.slice(1), 10) < 24;
  for (const entry of entries(root)) {
    // Contracts are made of vitest's tests: they are loaded by vitest only.
    if (entry.includes('/testing/contracts/')) continue;
    const code = `import('${entry}').catch((error) => {
      if (!/^hybrid-sessions needs Node 24 or newer; this is Node/.test(error.message)) throw error;
      console.log('NEEDS-NODE');
    })`;
    const done = spawnSync(node, ['--input-type=module', '-e', code], {
      cwd: project,
      env,
      encoding: 'utf8',
    });
    // The client is for browsers, too: it asks for no version of Node.
    const right = done.status === 0 && /NEEDS-NODE/.test(done.stdout) === (old && !entry.endsWith('/client'));
    if (!right) throw new Error(`${entry} on ${node}: ${done.stdout}${done.stderr}`);
  }
  console.log(
    `On Node ${version} every entry ${old ? 'but the client says that it needs a newer one' : 'can be loaded'}.`,
  );
}
