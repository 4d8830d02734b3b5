// `doctor`: runs every check and says what is missing and how to repair it. Exit code 3 when something is broken.
import type { Finding } from '../channels/finding.ts';
import { CONFIG_FILE, readConfiguration } from '../local/configuration.ts';
import type { AgentOptions, CliContext } from './context.ts';
import { checksFor, failed } from './doctor-checks.ts';
import { EXIT } from './failure.ts';
import { counted } from './terminal.ts';

const MARKS = { ok: ['green', '✓'], warn: ['yellow', '!'], fail: ['red', '✗'] } as const;

/** Returns the exit code. */
export async function doctor(context: CliContext, options: AgentOptions): Promise<number> {
  const { env, cwd, terminal } = context;
  const findings: Finding[] = [];
  const add = (finding: Finding) => {
    findings.push(finding);
    if (options.json) return;
    const [colour, mark] = MARKS[finding.status];
    terminal.line(`${terminal.style(colour, mark)} ${finding.name.padEnd(14)} ${finding.found}`);
    if (finding.mend) terminal.line(`  ${' '.repeat(14)} ${terminal.style('dim', '→')} ${finding.mend}`);
  };
  try {
    const { data, agent } = options;
    const overrides = {
      ...(data !== undefined && { dataDir: data }),
      ...(agent !== undefined && { agentDir: agent }),
    };
    const configuration = readConfiguration({ env, cwd, overrides });
    add({
      name: 'configuration',
      status: 'ok',
      found: configuration.configFile ?? `defaults (no ${CONFIG_FILE} here)`,
    });
    for (const check of checksFor(configuration)) add(await check(configuration));
  } catch (error) {
    add(failed('configuration', error));
  }
  const broken = findings.filter(({ status }) => status === 'fail').length;
  if (options.json) terminal.json({ ok: broken === 0, findings });
  else terminal.line(broken === 0 ? '\nReady.' : `\n${counted(broken, 'thing')} to mend.`);
  return broken === 0 ? EXIT.ok : EXIT.configuration;
}
