// Rules of `tools.ask`: what they are about, and what is refused as no rule.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { mustAsk, parseAskRule } from '../../src/agent/ask-rules.ts';
import { hashOf } from '../../src/agent/asking-policy.ts';

const asks = (rule: string, tool: string, input: object): boolean => {
  const parsed = parseAskRule(rule);
  if (parsed === null) throw new Error(`${rule} is no rule`);
  return mustAsk([parsed], { tool, input, cwd: '/w/sub' }, '/w');
};

describe('a rule', () => {
  test.each([
    ['Bash', 'git status', true],
    ['Bash(git push *)', 'git push', true],
    ['Bash(git push *)', 'git push --force', true],
    ['Bash(git push *)', 'git pushy', false],
    ['Bash(git push *)', 'git pull', false],
    ['Bash(git push *)', 'cd x && git push', true],
    ['Bash(git push *)', 'true; GIT_DIR=y git push origin', true],
    ['Bash(git push *)', 'echo $(git push)', true],
    ['Bash(git push *)', 'cat x\ngit push', true],
    ['Bash(git push *)', 'echo git push', false],
    ['Bash(*secret*)', 'cat a/secret/b', true],
    ['Bash(a.c)', 'abc', false],
  ])('%s, %j: %s', (rule, command, asked) => {
    expect(asks(rule, 'Bash', { command })).toBe(asked);
  });

  test.each([
    ['Write', 'Write', { file_path: 'a' }, true],
    ['Write', 'Edit', { file_path: 'a' }, false],
    ['Write(docs/*)', 'Write', { file_path: '/w/docs/a.md' }, true],
    ['Write(docs/*)', 'Write', { file_path: '../docs/a.md' }, true],
    ['Write(docs/*)', 'Write', { file_path: 'docs/a.md' }, true],
    ['Write(docs/*)', 'Write', { file_path: '/w/src/a.md' }, false],
    ['WebFetch(https://example.com/*)', 'WebFetch', { url: 'https://example.com/x' }, true],
    ['WebFetch(https://example.com/*)', 'WebFetch', { url: 'https://example.org/x' }, false],
    ['mcp__mail', 'mcp__mail__send', {}, true],
    ['mcp__mail__send', 'mcp__mail__send', {}, true],
    ['mcp__mail__send', 'mcp__mail__list', {}, false],
    ['mcp__mail', 'mcp__mailer__send', {}, false],
  ])('%s, %s %j: %s', (rule, tool, input, asked) => {
    expect(asks(rule, tool, input)).toBe(asked);
  });

  test.each(['', 'Bash(', 'Bash()', 'Bash(x', '(x)', 'Agent(x)', 'mcp__mail(x)', 'Bash x', '*'])(
    '"%s" is none',
    (rule) => {
      expect(parseAskRule(rule)).toBeNull();
    },
  );

  test('with any pattern asks about the very text of it, whatever it holds', () => {
    const words = fc.string({ minLength: 1 }).filter((text) => text === text.trim() && !/[*\n\r]/.test(text));
    fc.assert(
      fc.property(words, (command) => {
        const rule = parseAskRule(`Bash(${command})`);
        expect(rule && mustAsk([rule], { tool: 'Bash', input: { command }, cwd: '/w' }, '/w')).toBe(true);
      }),
    );
  });
});

test('a call is the same whatever describes it, and another one whatever it does', () => {
  const call = (input: object, tool = 'Bash') => hashOf({ tool, input });
  const one = call({ command: 'x', description: 'one' });
  expect(call({ description: 'two', command: 'x', timeout: 5 })).toBe(one);
  for (const other of [
    call({ command: 'y' }),
    call({ command: 'x', run_in_background: true }),
    call({ command: 'x' }, 'mcp__a__Bash'),
  ]) {
    expect(other).not.toBe(one);
  }
  expect(call({ a: 1, b: { c: [1, 2], d: 2 } }, 'T')).toBe(call({ b: { d: 2, c: [1, 2] }, a: 1 }, 'T'));
  expect(call({ a: [1, 2] }, 'T')).not.toBe(call({ a: [2, 1] }, 'T'));
});
