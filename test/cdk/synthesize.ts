// Synthesizes an installation without Docker, an account or a build: the assets are two nearly empty folders.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, type Stack, Validations } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { AwsSolutionsChecks, ServerlessChecks } from 'cdk-nag';
import { settingsSchema } from '../../src/cdk/settings.ts';
import { createStack } from '../../src/cdk/stack.ts';

export interface Resource {
  readonly Type: string;
  readonly Properties: Record<string, unknown>;
  readonly DeletionPolicy?: string;
  readonly UpdateReplacePolicy?: string;
}

export interface Synthesized {
  readonly template: Template;
  readonly resources: Readonly<Record<string, Resource>>;
  /** Paths below the cloud assembly. */
  readonly files: readonly string[];
  /** Rule and construct of every finding that nobody gave a reason for. */
  readonly findings: readonly string[];
}

export const FULL = {
  model: { provider: 'anthropic', keyParameter: '/bots/anthropic-key' },
  telegram: { tokenParameter: '/bots/telegram-token', allowedUsers: [42] },
} as const;

/** Agents are `shared` unless the settings say otherwise: fewer functions. */
export function synthesize(settings: object, build?: (app: App, assets: string) => Stack): Synthesized {
  const folder = mkdtempSync(join(tmpdir(), 'hybrid-cdk-'));
  try {
    const assets = join(folder, 'assets');
    mkdirSync(join(assets, 'functions'), { recursive: true });
    mkdirSync(join(assets, 'image/task'), { recursive: true });
    writeFileSync(join(assets, 'functions/ingress.mjs'), '');
    writeFileSync(join(assets, 'image/Dockerfile'), 'FROM scratch\n');
    const outdir = join(folder, 'out');
    const app = new App({ outdir });
    const stack = build
      ? build(app, assets)
      : createStack(app, settingsSchema().parse({ agents: 'shared', ...settings }), assets);
    Validations.of(app).addPlugins(new AwsSolutionsChecks(app), new ServerlessChecks(app));
    let findings: string[] = [];
    try {
      app.synth();
    } catch (error) {
      if (!(error instanceof Error && error.name.includes('Validation'))) throw error;
      findings = findingsOf(join(outdir, 'validation-report.json'));
    }
    const template = JSON.parse(readFileSync(join(outdir, `${stack.stackName}.template.json`), 'utf8'));
    const files = readdirSync(outdir, { recursive: true }).map(String);
    return { template: Template.fromJSON(template), resources: template.Resources, findings, files };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Report {
  readonly pluginReports: readonly {
    readonly violations: readonly {
      readonly ruleName: string;
      readonly violatingConstructs: readonly { readonly constructPath: string }[];
    }[];
  }[];
}

function findingsOf(file: string): string[] {
  const report = JSON.parse(readFileSync(file, 'utf8')) as Report;
  return report.pluginReports.flatMap((plugin) =>
    plugin.violations.flatMap((violation) =>
      violation.violatingConstructs.map((construct) => `${violation.ruleName} ${construct.constructPath}`),
    ),
  );
}

export function ofType(synthesized: Synthesized, type: string): [string, Resource][] {
  return Object.entries(synthesized.resources).filter(([, resource]) => resource.Type === type);
}

/** The logical id a `Ref` or `GetAtt` points at. */
export function target(value: unknown): string {
  const { Ref, 'Fn::GetAtt': attribute } = (value ?? {}) as { Ref?: string; 'Fn::GetAtt'?: [string] };
  return Ref ?? attribute?.[0] ?? '';
}
