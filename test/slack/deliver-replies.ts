// Anna has written to the app; what it answers goes the way of the core.
import { createSlackChannel } from '../../src/channels/slack/channel.ts';
import type { TurnRequest } from '../../src/core/messages.ts';
import type { ProgressSink } from '../../src/core/ports.ts';
import { ledgerOf } from '../../testing/contracts/channel-ledger.ts';
import { startFixture, webhookOf } from './fixture.ts';

export async function deliverReplies(channelId: string) {
  const { app, api } = await startFixture();
  const turns: TurnRequest[] = [];
  const said = app.say(channelId, `<@${app.botUserId}> hello`);
  const body = JSON.stringify(said.events[0]);
  const handler = webhookOf(app, async (request) => void turns.push(request));
  await handler(
    new Request('http://ingress.test/slack', { method: 'POST', body, headers: app.signed(body) }),
  );
  const [request] = turns;
  if (!request) throw new Error('The message was not taken.');
  const line = ledgerOf(request);
  const channel = createSlackChannel({ api, editEveryMs: 5 });
  return {
    ...{ app, ts: said.ts },
    deliver: (text: string) => channel.deliver(line.attempt(), { outcome: 'ok', text }),
    open: (): ProgressSink => channel.open(line.attempt()),
  };
}
