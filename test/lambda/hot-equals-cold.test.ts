// A hot turn leaves what a cold one leaves, in a function with tenant isolation.
import { describe } from 'vitest';
import { detectSandbox } from '../../src/host/sandbox/index.ts';
import { createScriptedModel } from '../../testing/model/scripted-model.ts';
import { obey } from '../agent/turn-fixture.ts';
import { hotEqualsCold } from '../host/hot-equals-cold.ts';
import { createHotSession, HOT } from '../host/hot-fixture.ts';
import { startLambdaHosts } from './lambda-hosts-fixture.ts';

/** Without walls the two environments' sessions would lie at different paths. */
const hasWalls = (await detectSandbox()).kind === 'bubblewrap';

describe.skipIf(!hasWalls)('in a function', () => {
  hotEqualsCold(
    async (kind) => {
      const model = await createScriptedModel(obey);
      const place = await startLambdaHosts({
        modelUrl: model.url,
        maxEnvironments: 2,
        ...(kind === 'hot' && { hot: HOT }),
      });
      const { hosts, told, state } = place;
      return {
        model,
        told,
        state,
        session(name) {
          const session = createHotSession(hosts, name);
          return {
            ...session,
            async turn(text) {
              const outcome = await session.turn(text);
              await hosts.settled();
              return outcome;
            },
          };
        },
        async close() {
          await place.close();
          await model.close();
        },
      };
    },
    { seeds: [3], turns: 6 },
  );
});
