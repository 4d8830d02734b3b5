// The API's keys on AWS: two at once while one is changed, and an old one is refused within a minute.
import { expect, test } from 'vitest';
import { createApp } from '../../src/api/app.ts';
import { createParameterKeys } from '../../src/lambda/parameter-keys.ts';
import { createSecretReader } from '../../src/tenants/secrets.ts';
import { createManualClock } from '../../testing/clock.ts';
import { createApiFixture } from '../api/fixture.ts';

const OLD = 'the-old-key-of-the-api';
const NEW = 'the-new-key-of-the-api';

test('both keys are taken while both are in the parameter, and each only as long as it is', async () => {
  const clock = createManualClock();
  let value: string | undefined = OLD;
  let reads = 0;
  const secrets = createSecretReader({
    variable: () => undefined,
    files: false,
    clock,
    parameters: async (names) => {
      reads++;
      expect(names).toEqual(['/app/api-key']);
      if (value === undefined) throw new Error('Parameter Store is away');
      return new Map([['/app/api-key', value]]);
    },
  });
  const fixture = createApiFixture({ worker: false });
  const app = createApp({ ...fixture.options, apiKeys: createParameterKeys(secrets, '/app/api-key') });
  const statuses = async () =>
    await Promise.all(
      [OLD, NEW, 'short', ''].map(async (key) => {
        const headers = { authorization: `Bearer ${key}` };
        return (await app.request('/v1/info', { headers })).status;
      }),
    );
  expect(await statuses()).toEqual([200, 401, 401, 401]);
  value = `${OLD}\n${NEW} short`;
  expect(await statuses()).toEqual([200, 401, 401, 401]);
  await clock.advance(60_000);
  expect(await statuses()).toEqual([200, 200, 401, 401]);
  value = NEW;
  await clock.advance(60_000);
  expect(await statuses()).toEqual([401, 200, 401, 401]);
  expect(reads).toBe(3);
  value = '   ';
  await clock.advance(60_000);
  // A parameter without a key opens nothing.
  expect(await statuses()).toEqual([401, 401, 401, 401]);
  value = undefined;
  await clock.advance(60_000);
  expect(await statuses()).toEqual([503, 503, 503, 503]);
  await fixture.close();
});
