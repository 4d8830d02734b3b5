// `init`: makes a new project. It writes an agent folder, a configuration file, .gitignore and a README, and changes no
// file that exists already.
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
import { CONFIG_FILE } from '../local/configuration.ts';
import { EXAMPLE_AGENT, PACKAGE_ROOT } from '../package-root.ts';
import type { CliContext } from './context.ts';
import { packageSource } from './package-source.ts';

const PACKAGE = 'hybrid-sessions';

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

export async function init({ cwd, terminal, version }: CliContext, dir: string): Promise<void> {
  const folder = resolve(cwd, dir);
  await mkdir(folder, { recursive: true });
  const there = await readdir(folder);
  if (there.length > 0) {
    throw new Invalid('not-empty', `The folder ${dir} is not empty (it holds ${there[0]}).`, {
      advice: 'Give a new folder; nothing was written.',
    });
  }
  await cp(EXAMPLE_AGENT, join(folder, 'agent'), {
    recursive: true,
    errorOnExist: true,
  });
  await writeFile(join(folder, CONFIG_FILE), `${JSON.stringify(CONFIGURATION, null, 2)}\n`, { flag: 'wx' });
  await writeFile(join(folder, '.gitignore'), IGNORED, { flag: 'wx' });
  await writeFile(join(folder, 'package.json'), manifest(folder, version), { flag: 'wx' });
  await writeFile(join(folder, 'README.md'), readme(basename(folder)), { flag: 'wx' });
  terminal.line(`Made ${dir}:`);
  terminal.line('  agent/                        who the agent is and what it may do: edit this');
  terminal.line(`  ${CONFIG_FILE}    settings`);
  terminal.line('  package.json                  its commands, and where hybrid-sessions is installed from');
  terminal.line('  README.md                     how to go on');
  terminal.line();
  terminal.line(`Next: cd ${dir} && npm install && npm start`);
}

/** The project's package.json. It is private. Its name has no capitals or blanks, because npm refuses those. */
function manifest(folder: string, version: string): string {
  const name =
    basename(folder)
      .toLowerCase()
      .replace(/[^a-z0-9._-]+/g, '-')
      .replace(/^[-._]+|-+$/g, '') || 'my-agent';
  const value = {
    name,
    private: true,
    type: 'module',
    scripts: {
      start: 'hybrid-sessions start',
      chat: 'hybrid-sessions chat',
      doctor: 'hybrid-sessions doctor',
    },
    dependencies: {
      [PACKAGE]: packageSource({ packageRoot: PACKAGE_ROOT, name: PACKAGE, version, project: folder }),
    },
  };
  return `${JSON.stringify(value, null, 2)}\n`;
}

function readme(name: string): string {
  return `# ${name}

An agent that remembers: run by hybrid-sessions.

\`\`\`sh
npm install
npm start          # web page and HTTP API; prints the address, which holds the key
npm run chat       # the same in this terminal
npm run doctor     # what is missing, and how to mend it
\`\`\`

Without a key a small demo model answers, and says so. With one, Claude does:

\`\`\`sh
ANTHROPIC_API_KEY=... npm start
\`\`\`

Keys may also stand in a file \`.env\` here; \`.gitignore\` keeps it out of version control.

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
