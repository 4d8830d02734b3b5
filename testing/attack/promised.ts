// Where nobody promises that an attack fails, with the reason, and what is not even tried in a mode. As docs/security.md
// says it ("What holds, by mode").
import type { Attack, Mode } from './attack-case.ts';

type Judged = Attack<{ readonly id: string; readonly bareReason?: string; readonly harmful?: boolean }>;

const SAME_USER = 'the worker is a process of the same user there; Lambda starts another when it ends';
const LAMBDA = 'what Lambda does, which is not here: its virtual machine, its network, its shares';
const OTHER_LINE = 'there is no such line between host and worker there';

const ON_LAMBDA = { network: LAMBDA, proxy: LAMBDA, kernel: LAMBDA, limits: LAMBDA, host: OTHER_LINE };

/** By mode and kind or id. */
const LEFT_OUT: Readonly<Record<'isolated' | 'shared', Readonly<Record<string, string>>>> = {
  isolated: ON_LAMBDA,
  shared: { ...ON_LAMBDA, 'kill-service': SAME_USER, 'kill-all': SAME_USER, 'stop-all': SAME_USER },
};

/** Why the mode leaves it out; null where it is tried. */
export function leftOut(mode: Mode, one: Judged): string | null {
  if (mode === 'bare') return one.harmful ? (one.bareReason ?? 'it would do harm') : null;
  return mode === 'sandboxed' ? null : (LEFT_OUT[mode][one.kind] ?? LEFT_OUT[mode][one.id] ?? null);
}

/** Why nothing is promised; null where it must fail. */
export function notPromised(mode: Mode, one: Judged): string | null {
  return mode === 'bare' ? (one.bareReason ?? null) : null;
}
