// Over a data folder: SQLite and files.
import { join } from 'node:path';
import { pullPushCases } from './pull-push-cases.ts';

pullPushCases('data folder', async (folder) => ({
  env: { HYBRID_SESSIONS_DIR: join(folder, '.hybrid-sessions') },
}));
