// What `doctor` asks Slack: whether it answers, and whose token it was given.
import { isHybridError } from '../../core/errors.ts';
import type { Finding } from '../finding.ts';
import { createSlackApi } from './api.ts';

const REACH_MS = 5_000;

export async function checkSlack(settings: {
  readonly token: string | undefined;
  readonly apiUrl: string;
}): Promise<Omit<Finding, 'name'>> {
  if (settings.token === undefined) {
    return { status: 'fail', found: 'no bot token', mend: 'Set SLACK_BOT_TOKEN.' };
  }
  const { token, apiUrl } = settings;
  const { host } = new URL(apiUrl);
  try {
    const { teamId, botUserId } = await createSlackApi({ token, apiUrl, timeoutMs: REACH_MS }).identify();
    return { status: 'ok', found: `workspace ${teamId}, app user ${botUserId}` };
  } catch (error) {
    if (!isHybridError(error)) throw error;
    if (error.code !== 'bad-token') {
      const mend = 'Check the network, a proxy, and SLACK_API_URL.';
      return { status: 'fail', found: `${host} does not answer as Slack does: ${error.message}`, mend };
    }
    return { status: 'fail', found: error.message, ...(error.advice ? { mend: error.advice } : {}) };
  }
}
