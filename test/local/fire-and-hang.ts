// A process that fires what is due in a data folder, and stands still between the queue and the record: for a test that kills it.
import { systemClock } from '../../src/core/clock.ts';
import { silentLog } from '../../src/core/log.ts';
import { createScheduling } from '../../src/core/scheduling.ts';
import { readConfiguration } from '../../src/local/configuration.ts';
import { openStores } from '../../src/local/stores.ts';

const [dataDir = ''] = process.argv.slice(2);
const configuration = readConfiguration({ env: {}, cwd: dataDir, overrides: { dataDir } });
const stores = await openStores(configuration, { create: false });
const { schedules } = stores;
const scheduling = createScheduling({
  ...stores,
  schedules: {
    ...schedules,
    set() {
      process.stdout.write('queued\n');
      return new Promise(() => {});
    },
  },
  clock: systemClock,
  log: silentLog,
  timeZone: 'UTC',
});
const staysAlive = setInterval(() => {}, 60_000);
for (const schedule of await schedules.due!.list(systemClock.now(), 10)) await scheduling.fire(schedule);
clearInterval(staysAlive);
