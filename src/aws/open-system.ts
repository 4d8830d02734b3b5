// Opens a `System` over an installation on AWS, for a back-end that sends messages. It needs the rights of the api
// function (docs/embed.md), and runs neither a worker nor an agent.
import { serveWidgetFrom } from '../api/static.ts';
import { systemClock } from '../core/clock.ts';
import { silentLog } from '../core/log.ts';
import { packageVersion, WIDGET_FOLDER } from '../package-root.ts';
import { createWorkspaceReader } from '../state/workspace-reader.ts';
import { createSystem } from '../system/create-system.ts';
import { type AwsSettings, checksFor } from '../system/settings.ts';
import type { System } from '../system/system.ts';
import { openFileTransfers } from './file-transfers.ts';
import { openAwsStores } from './stores.ts';

export async function openAwsSystem(settings: AwsSettings): Promise<System> {
  const { aws, access = 'loopback', log = silentLog } = settings;
  const checks = checksFor(access);
  const stores = await openAwsStores(aws, {});
  const ending = new AbortController();
  const { idle, ...system } = createSystem({
    ...stores,
    transfers: openFileTransfers(aws, stores.tenants),
    workspace: createWorkspaceReader(stores),
    ...checks,
    ending: ending.signal,
    clock: systemClock,
    log,
    // This program does not know which model was deployed. Every answer says whether a demo model wrote it.
    info: {
      name: 'hybrid-sessions',
      version: packageVersion(),
      model: { demo: false, name: 'as deployed' },
      sandbox: 'none',
      tools: [],
      workers: 0,
    },
    widget: serveWidgetFrom(WIDGET_FOLDER),
    page: serveWidgetFrom(WIDGET_FOLDER),
  });
  let closing: Promise<void> | undefined;
  const close = async () => {
    ending.abort();
    await idle();
    await stores.close();
  };
  return { ...system, close: () => (closing ??= close()) };
}
