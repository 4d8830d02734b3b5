// Starts the channels' inlets in a local system. A channel polls its platform if it can. One that has only a webhook
// gets a route on the local server, for a tunnel or a proxy; the owner has to register that address with the platform.

import type { ChannelDescriptor, WebhookHandler } from '../channels/descriptor.ts';
import { createInletApp, type InletDeps, inletContext } from '../channels/inlets.ts';
import { type ChannelSettings, type ChannelsSettings, pollerOf, settingsOf } from '../channels/settings.ts';
import { errorFields } from '../core/log.ts';

export interface Inlets {
  /** For the operator. */
  readonly lines: readonly (readonly [name: string, text: string])[];
  /** null when no channel answers at this path. */
  fetch(request: Request): Promise<Response> | null;
  stop(): Promise<void>;
}

export function startInlets(
  channels: readonly ChannelDescriptor[],
  settings: ChannelsSettings,
  deps: InletDeps,
): Inlets {
  const ended = new AbortController();
  const lines: [string, string][] = [];
  const running: Promise<void>[] = [];
  const called: { channel: ChannelDescriptor; open: () => Promise<WebhookHandler> }[] = [];
  for (const channel of channels) {
    const values = settings[channel.name];
    if (values === undefined || !(channel.poller || channel.webhook)) continue;
    lines.push([channel.name, describe(channel, values)]);
    const poller = pollerOf(channel, values);
    if (poller) {
      const context = { ...inletContext(deps), settings: settingsOf(channel, 'poller', values) };
      const polling = poller.run(context, ended.signal);
      running.push(polling.catch((error) => deps.log('error', `${channel.name}-ended`, errorFields(error))));
    } else called.push({ channel, open: () => openWebhook(channel, values, deps) });
  }
  const app = createInletApp(called);
  return {
    lines,
    fetch(request) {
      const [, first] = new URL(request.url).pathname.split('/');
      const named = called.find(({ channel }) => channel.name === first);
      return named ? answer(app, named.channel, request, deps) : null;
    },
    async stop() {
      ended.abort();
      await Promise.all(running);
    },
  };
}

async function openWebhook(
  channel: ChannelDescriptor,
  values: ChannelSettings,
  deps: InletDeps,
): Promise<WebhookHandler> {
  const identity = (await channel.setup?.identify?.(settingsOf(channel, 'setup', values))) ?? {};
  const settings = settingsOf(channel, 'webhook', values);
  const handler = await channel.webhook?.open({ ...inletContext(deps), settings, identity });
  return handler ?? (async () => new Response(null, { status: 404 }));
}

/** While the bot's identity cannot be read yet, messages are answered with an error: the platform sends them again. */
async function answer(
  app: { fetch(request: Request): Response | Promise<Response> },
  channel: ChannelDescriptor,
  request: Request,
  { log }: InletDeps,
): Promise<Response> {
  try {
    return await app.fetch(request);
  } catch (error) {
    log('error', `${channel.name}-webhook-failed`, errorFields(error));
    return new Response(null, { status: 503, headers: { 'retry-after': '1' } });
  }
}

function describe(channel: ChannelDescriptor, values: ChannelSettings): string {
  const what = channel.describe?.(values as never) ?? 'on';
  return pollerOf(channel, values) ? what : `${what}; webhooks below /${channel.name}`;
}
