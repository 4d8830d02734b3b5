// A vitest reporter: names every skipped test at the end, and, where HYBRID_SESSIONS_NO_SKIP is set (CI installs all
// that the tests can use), turns a skip into a failure. What can never run here is listed with its reason.
import type { Reporter, TestModule } from 'vitest/node';

const MAY_SKIP: readonly { readonly test: RegExp; readonly reason: string }[] = [
  { test: /real account|HS_AWS_TEST/, reason: 'needs an AWS account' },
  { test: /\(left out: /, reason: 'an adapter that lists its difference from the contract with a reason' },
];

export function createNoSkips(strict: boolean): Reporter {
  return {
    onTestRunEnd(modules: readonly TestModule[]) {
      const skipped = modules.flatMap((module) =>
        [...module.children.allTests('skipped')].map(
          (test) => `${module.relativeModuleId}: ${test.fullName}`,
        ),
      );
      if (skipped.length === 0) return;
      console.log(`\nSkipped:\n${skipped.map((name) => `  ${name}`).join('\n')}`);
      const refused = skipped.filter((name) => !MAY_SKIP.some(({ test }) => test.test(name)));
      if (!strict || refused.length === 0) return;
      console.error(`\n${refused.length} tests were skipped where none may be (HYBRID_SESSIONS_NO_SKIP).`);
      process.exitCode = 1;
    },
  };
}
