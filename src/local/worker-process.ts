// One worker process. It takes turns from the queue and runs them. All it knows came through the pipe or from the
// stores. It ends when the pipe to the server closes, because then nobody else could stop it.
import { flushCompileCache } from 'node:module';
import { loadAgentFolder } from '../agent/agent-folder.ts';
import { offeredCommands } from '../agent/folder-commands.ts';
import { timeZoneOf } from '../agent/time-zone.ts';
import { CHANNEL as HTTP } from '../api/chat-name.ts';
import { withBots } from '../channels/bot-channels.ts';
import type { ChannelDescriptor } from '../channels/descriptor.ts';
import { openOutgoing } from '../channels/outgoing.ts';
import { withOwnChannels } from '../channels/own-channels.ts';
import { settingsOf } from '../channels/settings.ts';
import { systemClock } from '../core/clock.ts';
import { LOCAL_TIMES, MAX_ATTEMPTS } from '../core/defaults.ts';
import { eraseChat } from '../core/erase-chat.ts';
import { isHybridError } from '../core/errors.ts';
import { errorFields, type Log } from '../core/log.ts';
import { runWorker } from '../core/worker.ts';
import { packageVersion } from '../package-root.ts';
import { createOtlpExporter } from '../telemetry/otlp-traces.ts';
import { createTenantDirectory } from '../tenants/directory.ts';
import { openTranscriber } from '../transcribers/settings.ts';
import { createAnnounce } from '../webhooks/announce.ts';
import type { Configuration } from './configuration.ts';
import { openWorkerHosts } from './hosts.ts';
import { createLogLines } from './log-lines.ts';
import { openModelEndpoint } from './model-endpoint.ts';
import { openSecrets } from './secret-sources.ts';
import { createServerVariables } from './server-variables.ts';
import { openStores } from './stores.ts';
import type { BootMessage, FromWorker, ToWorker } from './worker-messages.ts';
import { noteOf } from './worker-notes.ts';

/** Without a server nobody waits for this turn's text, so it is saved and queued again at once. */
const ORPHAN_GRACE_MS = 5_000;

const variables = createServerVariables((message) => say(message));
const stopping = new AbortController();
const deadline = new AbortController();

/** Makes this process a worker of the server that started it. */
export function runWorkerProcess(channels: readonly ChannelDescriptor[]): void {
  process.on('message', (message: ToWorker) => {
    if (message.type === 'boot') boot(message, channels).catch(reportAndExit);
    else if (message.type === 'variable') variables.take(message);
    else stop(message.graceMs);
  });
  process.on('disconnect', () => {
    stop(0);
    setTimeout(() => process.exit(1), ORPHAN_GRACE_MS).unref();
  });
  process.on('SIGTERM', () => stop(0));
  // The server handles Ctrl-C: it stops its workers in order.
  process.on('SIGINT', () => {});
}

function stop(graceMs: number): void {
  stopping.abort();
  setTimeout(() => deadline.abort(), graceMs).unref();
}

async function boot(
  { configuration, sandbox }: BootMessage,
  known: readonly ChannelDescriptor[],
): Promise<void> {
  const lines = createLogLines({
    threshold: configuration.logLevel,
    terminal: process.stderr.isTTY === true,
    write: (line) => void process.stderr.write(line),
    now: () => systemClock.now(),
  });
  const log: Log = (level, event, fields) => {
    lines(level, event, fields);
    const note = noteOf(event, fields);
    if (note) say({ type: 'note', note });
  };
  const stores = await openStores(configuration, { create: true });
  const model = await openModelEndpoint(configuration.model);
  const { traces } = configuration;
  const exporter = traces && createOtlpExporter(traces, packageVersion(), log);
  let closeHosts = async () => {};
  try {
    const channels = withOwnChannels(known, configuration.channelModules);
    const folder = await loadAgentFolder(configuration.agentDir);
    const directory = createTenantDirectory(stores.tenants, systemClock);
    const { hosts, close } = await openWorkerHosts(
      configuration,
      stores,
      folder,
      model.endpoint,
      log,
      sandbox,
      directory.of,
    );
    closeHosts = close;
    const outgoing = { events: stores.events, notes: stores.notes, log };
    const secrets = openSecrets(variables.read);
    const { PATH = '' } = process.env;
    const transcriber =
      configuration.transcriber &&
      (await openTranscriber(configuration.transcriber, {
        read: secrets.read,
        path: PATH,
      }));
    const working = runWorker(
      {
        ...stores,
        announcer: (webhooks) => createAnnounce({ webhooks, channel: HTTP, clock: systemClock, log }),
        forget: async (key, by) => void (await eraseChat(stores, key, by)),
        standing: directory.standing,
        recordOf: directory.of,
        hosts,
        channels: withBots(
          channels,
          await openOutgoing(channels, outgoingSettings(configuration), outgoing),
          {
            directory,
            context: outgoing,
            secrets,
            configurationOf: ({ name }) => configuration.channelConfiguration[name] ?? {},
            log,
          },
        ),
        clock: systemClock,
        log,
        timing: { ...LOCAL_TIMES, checkpointEveryMs: configuration.checkpointEveryMs },
        retentionSec: configuration.retentionSec,
        timeZone: timeZoneOf(folder.settings),
        commands: offeredCommands(folder),
        ...(transcriber && { transcriber }),
        maxAttempts: MAX_ATTEMPTS,
        visibilityMs: LOCAL_TIMES.visibilityMs,
        ...(exporter && { onClosed: exporter.closed }),
      },
      {
        signal: stopping.signal,
        deadline: deadline.signal,
        turnsAtOnce: Math.ceil(configuration.turnsAtOnce / configuration.workers),
      },
    );
    say({ type: 'ready' });
    flushCompileCache();
    await working;
  } catch (error) {
    log('error', 'worker-ended', errorFields(error));
    throw error;
  } finally {
    await closeHosts();
    await exporter?.close();
    await model.close();
    await stores.close();
  }
  process.exit(0);
}

/** Settings of the channels in use. A channel without settings is always on, even when all others are off. */
function outgoingSettings({ channels }: Configuration) {
  return (channel: ChannelDescriptor) => {
    const values = channels[channel.name] ?? (Object.keys(channel.settings).length === 0 ? {} : null);
    return values && settingsOf(channel, 'outgoing', values);
  };
}

/** Tells the server why, then ends. */
function reportAndExit(error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  const { code = 'worker', advice } = isHybridError(error) ? error : {};
  say({ type: 'unfit', code, message, ...(advice !== undefined && { advice }) }, () => process.exit(1));
}

function say(message: FromWorker, then: () => void = () => {}): void {
  if (process.connected && process.send) process.send(message, undefined, {}, then);
  else then();
}
