// `deploy`: puts a whole installation into an AWS account, by CDK. It first checks that this machine has what it needs,
// then runs `cdk`, whose output and exit code the user sees. `--synth` and `--destroy` run those commands of `cdk`.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { INSTALLATION_FILE, installationFrom, writeInstallation } from '../aws/installation.ts';
import { Invalid } from '../core/errors.ts';
import { PACKAGE_ROOT } from '../package-root.ts';
import type { CliContext } from './context.ts';

export const SETTINGS_FILE = 'hybrid-sessions.deploy.json';

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
  const { cwd, env } = context;
  const fromSource = import.meta.filename.endsWith('.ts');
  const cdk = findCdk(cwd);
  if (!options.synth && !options.destroy) requireDocker();
  if (fromSource) buildAssets();
  const app = join(import.meta.dirname, '../cdk', fromSource ? 'app.ts' : 'app.js');
  const verb = options.destroy ? 'destroy' : options.synth ? 'synth' : 'deploy';
  const outputs = verb === 'deploy' ? outputsFile(rest) : null;
  const email = options.alarmEmail ? ['--parameters', `AlarmEmail=${options.alarmEmail}`] : [];
  const child = spawn(
    process.execPath,
    [
      // `cdk` runs this text in a shell and adds some quotes of its own, so spaces are escaped here instead of quoted.
      ...[cdk, verb, '--app', [process.execPath, app].map(escaped).join(' ')],
      ...['--no-notices', '--no-version-reporting'],
      ...(verb === 'deploy' ? email : []),
      ...(outputs?.args ?? []),
      ...rest,
    ],
    {
      cwd,
      stdio: 'inherit',
      env: { ...env, ...settingsVariable(cwd, options.settings) },
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

function settingsVariable(cwd: string, named: string | undefined): Record<string, string> {
  const file = resolve(cwd, named ?? SETTINGS_FILE);
  if (existsSync(file)) return { HYBRID_SESSIONS_DEPLOYMENT: file };
  if (named === undefined) return {};
  throw new Invalid('no-settings', `There is no settings file ${named}.`, {
    advice: 'docs/deploy-aws.md shows one.',
  });
}

/** The project's own `cdk`, else the one installed next to this package. */
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
