// What may befall an agent host in a fault run, and where: at each step of its one turn it is killed, it hangs, or it lies.
// A host's step is named after what it is about to do, or has just done.

export const HOST_STEPS = ['hello', 'restore', 'run', 'result', 'save', 'saved'] as const;
export type HostStep = (typeof HOST_STEPS)[number];

/**
 * `stop`: its process stands still (SIGSTOP). `spin`: its event loop computes for ever. `hang`: it says that it lives, and
 * does not do what it was asked for.
 */
export const HANGS: Readonly<Record<HostStep, readonly string[]>> = {
  hello: ['stop', 'hang'],
  restore: ['stop', 'hang'],
  run: ['stop', 'spin'],
  result: ['stop'],
  save: ['stop', 'hang'],
  saved: ['stop'],
};

export const isHang = (how: string): boolean => ['stop', 'spin', 'hang'].includes(how);

export interface Lie {
  readonly step: HostStep;
  readonly how: string;
  /** Nothing of this host may be committed once it has said it. What comes after a checked save changes nothing. */
  readonly barred: boolean;
}

const lies = (step: HostStep, barred: boolean, ...kinds: readonly string[]): readonly Lie[] =>
  kinds.map((how) => ({ step, how, barred }));

export const LIES: readonly Lie[] = [
  ...lies('run', true, 'garbage', 'unasked', 'final', 'early-pack'),
  ...lies('result', true, 'garbage', 'second-result'),
  ...lies('result', false, 'late-text'),
  ...lies(
    'save',
    true,
    'generation',
    'fence',
    'prefix',
    'foreign',
    'size',
    'digest',
    'header',
    'table',
    'empty',
  ),
  ...lies('saved', false, 'garbage', 'saved-again'),
];

export const lieOf = (step: HostStep, how: string): Lie | undefined =>
  LIES.find((lie) => lie.step === step && lie.how === how);

/** Between two turns, while the agent stays for the next one; `let-go`: somebody has its processes go on. */
export const HOT_FAULTS = ['kill-agent', 'kill-host', 'let-go'] as const;
