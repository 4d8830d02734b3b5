// What a check of `doctor` found, and the one way to look whether an address answers.

export interface Finding {
  readonly name: string;
  /** `warn`: it works, but not as well as it could. */
  readonly status: 'ok' | 'warn' | 'fail';
  readonly found: string;
  /** How to mend it. */
  readonly mend?: string;
}

/** Any answer at all proves the way; whether a key is right shows with the first use. */
export type Probe = (found: string, url: string, mend: string) => Promise<Omit<Finding, 'name'>>;

const REACH_MS = 5_000;

export const reach: Probe = async (found, url, mend) => {
  const { host } = new URL(url);
  try {
    await fetch(url, { signal: AbortSignal.timeout(REACH_MS), redirect: 'manual' });
    return { status: 'ok', found: `${found}; ${host} answers` };
  } catch {
    return { status: 'fail', found: `${found}; ${host} does not answer`, mend };
  }
};
