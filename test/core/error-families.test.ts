// The families of errors are known across copies of this package: a channel of one's own may bring another one.
import { expect, test } from 'vitest';
import * as errors from '../../src/core/errors.ts';
import { OverLimit } from '../../src/core/limits.ts';
import { NotServed } from '../../src/core/standing.ts';

const FAMILIES = ['Refused', 'Ambiguous', 'Conflict', 'Invalid', 'Gone', 'Owed', 'Corrupt'] as const;
const core: typeof errors = { ...errors };
const other: typeof errors = { ...(await import(`../../src/core/errors.ts?copy=${'other'}`)) };

test.each(FAMILIES)('%s of either copy is one to both, and none of the others', (name) => {
  expect(other[name]).not.toBe(core[name]);
  const isGone = (family: string) => family === name || (name === 'Owed' && family === 'Gone');
  for (const [maker, knower] of [
    [core, other],
    [other, core],
    [core, core],
  ] as const) {
    const error = new maker[name]('a-code', 'A sentence.');
    expect(FAMILIES.filter((family) => error instanceof knower[family])).toEqual(FAMILIES.filter(isGone));
    expect(knower.isHybridError(error)).toBe(true);
    expect(error).toBeInstanceOf(Error);
    expect(Object.keys(error)).not.toContain('Symbol(hybrid-sessions.error-families)');
    expect(error.name).toBe(name);
  }
});

test('what is no family is told by its own class', () => {
  const over = new OverLimit({ of: 'waiting', party: 'chat', limit: 1 }, 1, true);
  const unserved = new NotServed('disabled');
  expect([over instanceof OverLimit, over instanceof other.Refused]).toEqual([true, true]);
  expect([unserved instanceof NotServed, unserved instanceof other.Invalid]).toEqual([true, true]);
  expect(new core.Refused('x', 'x') instanceof OverLimit).toBe(false);
  expect(new core.Invalid('x', 'x') instanceof NotServed).toBe(false);
});

test.each([null, undefined, 1, 'x', {}, new Error('x'), Object.create(null)])(
  '%s is no error of ours',
  (value) => {
    expect(core.isHybridError(value)).toBe(false);
    expect(value instanceof core.Refused).toBe(false);
  },
);
