// A program that runs one query of the Agent SDK with its transcripts in our store, and prints what came of it. Its
// config directory is its own and is thrown away: only the store outlives it.
// Usage: one-query.ts <JSON {folder, config, cwd, modelUrl, sessionId, resume, prompt}>
import { dirname, join } from 'node:path';
import { query, type SessionStore } from '@anthropic-ai/claude-agent-sdk';
import { createAgentSessionStore } from '../../src/sdk-session-store/agent-session-store.ts';
import { createFilesystemObjectStore } from '../../src/stores/filesystem/object-store.ts';
import { createSqliteSessionStore } from '../../src/stores/sqlite/index.ts';

const input = JSON.parse(process.argv[2] ?? '{}');
const store = createSqliteSessionStore({ database: join(input.folder, 'sessions.db') });
const objects = createFilesystemObjectStore({ root: join(input.folder, 'packs') });
const transcripts = createAgentSessionStore({ store, objects });
const loaded: string[] = [];
const sessionStore: SessionStore = {
  ...transcripts,
  load(key) {
    loaded.push(key.subpath ?? 'main');
    return transcripts.load(key);
  },
};

const faults: unknown[] = [];
let result = '';
for await (const message of query({
  prompt: input.prompt,
  options: {
    sessionStore,
    ...(input.resume ? { resume: input.sessionId } : { sessionId: input.sessionId }),
    cwd: input.cwd,
    settingSources: [],
    tools: ['Bash', 'Agent'],
    agents: { helper: { description: 'helps', prompt: 'You help.', tools: ['Bash'] } },
    canUseTool: async (_tool, given) => ({ behavior: 'allow', updatedInput: given }),
    env: {
      PATH: `${dirname(process.execPath)}:/usr/local/bin:/usr/bin:/bin`,
      HOME: input.config,
      TMPDIR: input.config,
      CLAUDE_CONFIG_DIR: input.config,
      CLAUDE_CODE_PROJECT_DIR_NAME: 'project',
      CLAUDE_CODE_DISABLE_BACKGROUND_TASKS: '1',
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
      CLAUDE_CODE_MAX_RETRIES: '0',
      ENABLE_TOOL_SEARCH: 'false',
      ANTHROPIC_BASE_URL: input.modelUrl,
      ANTHROPIC_API_KEY: 'key',
    },
  },
})) {
  if (message.type === 'result') result = message.subtype === 'success' ? message.result : message.subtype;
  if (message.type === 'system' && (message as { subtype: string }).subtype === 'mirror_error') {
    faults.push(message);
  }
}
await transcripts.release();
await store.close();
process.stdout.write(JSON.stringify({ result, faults, loaded }));
process.exit(0);
