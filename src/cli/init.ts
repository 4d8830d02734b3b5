// `init`: a project to start from. Writes an agent folder, a configuration file, .gitignore and a README; touches
// nothing that is there already.
import { cp, mkdir, readdir, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type { ChannelDescriptor } from '../channels/descriptor.ts';
import { CHANNELS } from '../channels/index.ts';
import { fileSections } from '../channels/settings.ts';
import {
  CHECKPOINT_EVERY_SEC,
  KEPT_GENERATIONS,
  RETENTION_DAYS,
  WORKERS,
  WORKSPACE_LIMITS,
} from '../core/defaults.ts';
import { Invalid } from '../core/errors.ts';
import { CONFIG_FILE, PACKAGE_ROOT } from '../local/configuration.ts';
import type { CliContext } from './context.ts';

const CONFIGURATION = {
  workers: WORKERS,
  retentionDays: RETENTION_DAYS,
  keepGenerations: KEPT_GENERATIONS,
  checkpointEverySec: CHECKPOINT_EVERY_SEC,
  limits: {
    workspaceBytes: WORKSPACE_LIMITS.maxWorkspaceBytes,
    workspaceFiles: WORKSPACE_LIMITS.maxWorkspaceFiles,
  },
  ...Object.fromEntries(
    Object.entries(fileSections(CHANNELS)).map(([name, section]) => [name, section.parse(undefined)]),
  ),
};

const GUIDES = CHANNELS.flatMap(({ init }: ChannelDescriptor) => init ?? []);

const IGNORED = `# Sessions of your users: private.
.hybrid-sessions/
node_modules/
.env
`;

export async function init({ cwd, terminal }: CliContext, dir: string): Promise<void> {
  const folder = resolve(cwd, dir);
  await mkdir(folder, { recursive: true });
  const there = await readdir(folder);
  if (there.length > 0) {
    throw new Invalid('not-empty', `The folder ${dir} is not empty (it holds ${there[0]}).`, {
      advice: 'Give a new folder; nothing was written.',
    });
  }
  await cp(join(PACKAGE_ROOT, 'examples', 'agent'), join(folder, 'agent'), {
    recursive: true,
    errorOnExist: true,
  });
  await writeFile(join(folder, CONFIG_FILE), `${JSON.stringify(CONFIGURATION, null, 2)}\n`, { flag: 'wx' });
  await writeFile(join(folder, '.gitignore'), IGNORED, { flag: 'wx' });
  await writeFile(join(folder, 'README.md'), readme(basename(folder)), { flag: 'wx' });
  terminal.line(`Made ${dir}:`);
  terminal.line('  agent/                        who the agent is and what it may do: edit this');
  terminal.line(`  ${CONFIG_FILE}    settings`);
  terminal.line('  README.md                     how to go on');
  terminal.line();
  terminal.line(`Next: cd ${dir} && npx hybrid-sessions start`);
}

function readme(name: string): string {
  return `# ${name}

An agent that remembers: run by hybrid-sessions.

\`\`\`sh
npx hybrid-sessions start     # web page and HTTP API; prints the address
npx hybrid-sessions chat      # the same in this terminal
npx hybrid-sessions doctor    # what is missing, and how to mend it
\`\`\`

Without a key a small demo model answers, and says so. With one, Claude does:

\`\`\`sh
ANTHROPIC_API_KEY=... npx hybrid-sessions start
\`\`\`

| file | what it decides |
| --- | --- |
| \`agent/system_prompt.md\` | who the agent is and how it answers |
| \`agent/settings.json\` | which tools it may use, and the sandbox |
| \`agent/agents.json\` | its subagents |
| \`agent/mcp.json\` | its MCP servers |
| \`agent/skills/\` | what it can look up when needed |
| \`${CONFIG_FILE}\` | ${['workers, retention, limits', ...GUIDES.map(({ decides }) => decides)].join(', ')} |
| \`.hybrid-sessions/\` | the stored sessions: private, keep it out of version control |

${GUIDES.map(({ readme }) => readme).join('\n\n')}
`;
}
