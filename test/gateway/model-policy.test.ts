// Which names of models a list of names allows.
import { expect, test } from 'vitest';
import { modelPolicy } from '../../src/gateway/model-policy.ts';

const arn =
  'arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.anthropic.claude-haiku-4-5-20251001-v1:0';

test.each<[readonly string[], string, boolean]>([
  [['claude-sonnet-5'], 'claude-sonnet-5', true],
  [['claude-sonnet-5'], 'claude-sonnet-5-20260801', true],
  [['claude-sonnet-5[1m]'], 'claude-sonnet-5', true],
  [['claude-sonnet-5'], 'claude-sonnet-5-5', false],
  [['claude-sonnet-5'], 'claude-sonnet-50', false],
  [['claude-sonnet-5'], 'claude-opus-5', false],
  [['sonnet'], 'claude-sonnet-5-5', true],
  [['sonnet'], 'claude-3-7-sonnet-20250219', true],
  [['Sonnet'], 'us.anthropic.claude-sonnet-4-5-20250929-v1:0', true],
  [['sonnet'], 'claude-opus-5', false],
  [['sonnet'], 'claude-opus-sonnet', false],
  [['haiku'], 'claude-3-5-haiku-20241022', true],
  [['haiku'], arn, true],
  [['haiku'], 'arn:aws:bedrock:eu-west-1:123456789012:custom/claude-haiku-4-5/opus', false],
  [[arn], arn, true],
  [['claude-opus-4-1'], 'claude-opus-5-5', true],
  [['claude-opus-4-5'], 'claude-opus-5-5', false],
  [['opusplan'], 'claude-sonnet-5', true],
  [['inherit'], 'inherit', false],
  [['my-local-model'], 'my-local-model', true],
  [['constructor'], 'constructor', true],
  [['toString'], 'claude-opus-5', false],
  [[], 'claude-sonnet-5', false],
])('%j: %s is %s', (names, asked, allowed) => {
  expect(modelPolicy(names)(asked)).toBe(allowed);
});
