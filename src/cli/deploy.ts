// `deploy`: a whole installation in an AWS account, by CDK. It checks what is missing first, then hands over to
// `cdk`, whose own words and exit code are what the person sees. `--synth` and `--destroy` do as they say.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { installationFrom, writeInstallation } from '../aws/installation.ts';
import { INSTALLATION_FILE } from '../aws/installation-file.ts';
import { readSettings, type Settings } from '../cdk/settings.ts';
import { Invalid } from '../core/errors.ts';
import { PACKAGE_ROOT } from '../package-root.ts';
import type { CliContext } from './context.ts';
import { accountOf } from './deploy-account.ts';
import { checkAccount, checkAgentFolder } from './deploy-checks.ts';

export const SETTINGS_FILE = 'hybrid-sessions.deploy.json';
const EXAMPLE_AGENT = join(PACKAGE_ROOT, 'examples/agent');

export interface DeployOptions {
  readonly settings?: string;
  readonly alarmEmail?: string;
  /** The file to write that names the installation. */
  readonly aws?: string;
  readonly synth?: boolean;
  readonly destroy?: boolean;
}

/** Returns the exit code of `cdk`. `rest` is passed to `cdk` unchanged, e.g. `--profile`. */
export async function deploy(
  context: CliContext,
  options: DeployOptions,
  rest: readonly string[] = [],
): Promise<number> {
  const { cwd, env, terminal } = context;
  const fromSource = import.meta.filename.endsWith('.ts');
  const verb = options.destroy ? 'destroy' : options.synth ? 'synth' : 'deploy';
  const file = settingsFile(cwd, options.settings);
  const settings = readSettings(file);
  const note = (line: string) => terminal.note(line);
  if (verb !== 'destroy') await checkAgentFolder(settings.agentFolder ?? EXAMPLE_AGENT, note);
  if (verb !== 'destroy' && !settings.agentFolder) {
    const passedOver = existsSync(join(cwd, 'agent')) ? ', not ./agent: set "agentFolder": "./agent"' : '';
    note(`\`agentFolder\` is not set: the example agent is deployed${passedOver}.`);
  }
  const cdk = findCdk(cwd);
  if (verb === 'deploy') {
    await checkAccount(settings, accountOf(settings, env, rest), note);
    requireDocker();
  }
  if (fromSource) buildAssets();
  const app = join(import.meta.dirname, '../cdk', fromSource ? 'app.ts' : 'app.js');
  const outputs = verb === 'deploy' ? outputsFile(rest) : null;
  const email = alarmEmail(settings, options.alarmEmail);
  const child = spawn(
    process.execPath,
    [
      // `cdk` runs this text in a shell and adds some quotes of its own, so spaces are escaped here instead of quoted.
      ...[cdk, verb, '--app', [process.execPath, app].map(escaped).join(' ')],
      ...['--no-notices', '--no-version-reporting'],
      ...(verb === 'deploy' ? email.args : []),
      ...(outputs?.args ?? []),
      ...rest,
    ],
    {
      cwd,
      stdio: 'inherit',
      env: { ...env, ...email.variables, ...(file && { HYBRID_SESSIONS_DEPLOYMENT: file }) },
    },
  );
  const [code] = (await once(child, 'exit')) as [number | null];
  try {
    if (code === 0 && outputs) noteInstallation(context, outputs.file, options.aws);
  } finally {
    outputs?.remove();
  }
  return code ?? 1;
}

/** The file for the stack's outputs: the one that the user's own options name, or a temporary one. */
function outputsFile(rest: readonly string[]) {
  const at = rest.findIndex((word) => /^(--outputs-file|-O)$/.test(word));
  const asked = at < 0 ? rest.find((word) => word.startsWith('--outputs-file='))?.slice(15) : rest[at + 1];
  if (asked !== undefined) return { file: asked, args: [], remove() {} };
  const folder = mkdtempSync(join(tmpdir(), 'hybrid-sessions-outputs-'));
  const file = join(folder, 'outputs.json');
  const remove = () => rmSync(folder, { recursive: true, force: true });
  process.once('exit', remove);
  return { file, args: ['--outputs-file', file], remove };
}

function noteInstallation({ cwd, terminal }: CliContext, outputs: string, named: string | undefined): void {
  const path = resolve(cwd, outputs);
  const installation = existsSync(path) && installationFrom(JSON.parse(readFileSync(path, 'utf8')));
  if (!installation) return;
  const file = resolve(cwd, named ?? INSTALLATION_FILE);
  writeInstallation(file, installation);
  terminal.note(
    `${file} names this installation: hybrid-sessions sessions list --aws ${named ?? INSTALLATION_FILE}`,
  );
}

function escaped(path: string): string {
  return path.replace(/ /g, '\\ ');
}

function settingsFile(cwd: string, named: string | undefined): string | undefined {
  const file = resolve(cwd, named ?? SETTINGS_FILE);
  if (existsSync(file)) return file;
  if (named === undefined) return undefined;
  throw new Invalid('no-settings', `There is no settings file ${named}.`, {
    advice: 'docs/deploy-aws.md shows one.',
  });
}

/** The stack has a parameter for the address only where the settings name none. */
function alarmEmail(settings: Settings, given: string | undefined) {
  if (given === undefined) return { args: [], variables: {} };
  if (settings.alarmEmail === undefined)
    return { args: ['--parameters', `AlarmEmail=${given}`], variables: {} };
  return { args: [], variables: { HYBRID_SESSIONS_ALARM_EMAIL: given } };
}

/** The project's own `cdk`, else that beside this package. */
function findCdk(cwd: string): string {
  for (const place of [join(cwd, 'package.json'), join(PACKAGE_ROOT, 'package.json')]) {
    const require = createRequire(place);
    try {
      require.resolve('aws-cdk-lib');
      require.resolve('constructs');
      return join(dirname(require.resolve('aws-cdk/package.json')), 'bin/cdk');
    } catch {}
  }
  throw new Invalid('no-cdk', 'The AWS CDK is not installed here.', {
    advice: 'Run: npm install --save-dev aws-cdk@2 aws-cdk-lib@2 constructs',
  });
}

function requireDocker(): void {
  if (spawnSync('docker', ['info'], { stdio: 'ignore' }).status === 0) return;
  throw new Invalid('no-docker', "Docker does not answer, and the worker's image is built with it.", {
    advice: 'Start Docker. `--synth` needs none.',
  });
}

function buildAssets(): void {
  for (const script of ['functions.mjs', 'image.mjs']) {
    const run = spawnSync(process.execPath, [join(PACKAGE_ROOT, 'scripts', script)], { stdio: 'inherit' });
    if (run.status !== 0) throw new Invalid('no-assets', 'The functions could not be built.');
  }
}
