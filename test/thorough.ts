// Long samplings (faults, attacks, starts) run in part with `npm test`, which people run, and whole with `npm run test:all`,
// which CI runs. A part has at least one of each kind. Files named `*.long.test.ts` run whole or not at all (vitest.config.ts).
export const THOROUGH = process.env.HYBRID_SESSIONS_THOROUGH === '1';
