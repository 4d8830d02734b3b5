// What the Slack tests share: a fake Slack with one app in it, and the inlet and the channel of that app.
import { onTestFinished } from 'vitest';
import { parseAllowList } from '../../src/channels/slack/allow-list.ts';
import { createSlackApi, type SlackApi } from '../../src/channels/slack/api.ts';
import { createSlackWebhook } from '../../src/channels/slack/webhook.ts';
import type { TurnRequest } from '../../src/core/messages.ts';
import type { Clock } from '../../src/core/ports.ts';
import { ANNA, type FakeApp } from '../../testing/slack/fake-app.ts';
import { type FakeSlack, startFakeSlack } from '../../testing/slack/fake-slack.ts';

export const TOKEN = 'xoxb-1-SECRET-of-the-app';
export const APP = { teamId: 'T0HOME', botUserId: 'U0BOT' };
export const DM = 'D0ANNA';
export const CHANNEL = 'C0GENERAL';
export const BOB = 'U0BOB';
export const ALLOW_ANNA = { tenant: 'acme', allow: parseAllowList([ANNA]) };

export interface Fixture {
  readonly slack: FakeSlack;
  readonly app: FakeApp;
  readonly api: SlackApi;
}

/** Closed when the test ends. */
export async function startFixture(options: { timeoutMs?: number; clock?: Clock } = {}): Promise<Fixture> {
  const slack = await startFakeSlack();
  onTestFinished(() => slack.close());
  const app = slack.addApp({ token: TOKEN });
  return { slack, app, api: createSlackApi({ token: TOKEN, apiUrl: slack.apiUrl, ...options }) };
}

export function webhookOf(
  app: FakeApp,
  accept: (request: TurnRequest) => Promise<void>,
  over: Partial<Parameters<typeof createSlackWebhook>[0]> = {},
): (request: Request) => Promise<Response> {
  return createSlackWebhook({
    ...{ signingSecret: app.signingSecret, app: APP, policy: ALLOW_ANNA, accept },
    ...over,
  });
}
