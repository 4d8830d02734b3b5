// The checker's results: how many assertions were made, and which failed.

export interface Failure {
  /** `one-reply`, `order`, `transcript` ... */
  readonly rule: string;
  readonly message: number | null;
  readonly text: string;
}

export interface Findings {
  readonly passed: number;
  readonly failures: readonly Failure[];
  /** Records one assertion. */
  expect(holds: boolean, rule: string, message: number | null, text: () => string): void;
}

export function createFindings(): Findings {
  const failures: Failure[] = [];
  let passed = 0;
  return {
    get passed() {
      return passed;
    },
    failures,
    expect(holds, rule, message, text) {
      if (holds) passed++;
      else failures.push({ rule, message, text: text() });
    },
  };
}
