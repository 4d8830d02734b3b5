// What is blacked out before a session leaves the installation; what reads like one and is none stays; JSON stays JSON.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { redactSecrets } from '../../src/agent/redact-secrets.ts';

const long = (length: number) => 'aB3'.repeat(length).slice(-length);

test.each([
  `sk-ant-api03-${long(40)}`,
  `ghp_${long(36)}`,
  `github_pat_${long(40)}`,
  `glpat-${long(20)}`,
  `xoxb-${'1'.repeat(12)}-${long(20)}`,
  `AKIA${'ABCD1234'.repeat(2)}`,
  `AIza${long(35)}`,
  `123456789:${long(35)}`,
  `eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0xyz.${long(20)}`,
  `-----BEGIN RSA PRIVATE KEY-----\n${long(64)}\n-----END RSA PRIVATE KEY-----`,
])('%s', (secret) => {
  const text = redactSecrets(`before ${secret} after`);
  expect(text).toBe('before [redacted] after');
});

test.each([
  [`Authorization: Bearer ${long(30)}`, 'Authorization: Bearer [redacted]'],
  ['postgres://anna:hunter22@db.example/x', 'postgres://anna:[redacted]@db.example/x'],
  ['password = hunter2222', 'password = [redacted]'],
  ['DB_PASSWORD="hunter2222"', 'DB_PASSWORD="[redacted]"'],
  ['{"api_key":"abcdefgh12"}', '{"api_key":"[redacted]"}'],
  [
    JSON.stringify({ said: '{"client_secret": "abcdefgh12"}' }),
    JSON.stringify({ said: '{"client_secret": "[redacted]"}' }),
  ],
])('%s', (text, is) => expect(redactSecrets(text)).toBe(is));

test.each([
  'The secret of good tea is water.',
  '{"input_tokens":123456789,"cache_creation_input_tokens":0}',
  'Tokens: 12345678',
  'see https://example.test/a:b/c@d and 12:30',
  'id 0b9c1f3e-3f0a-4c8e-9c0e-0d6f5a1b2c3d',
  'const token = next();',
])('stays: %s', (text) => expect(redactSecrets(text)).toBe(text));

test('what was JSON is JSON', () => {
  const key = fc.constantFrom('token', 'apiKey', 'password', 'text', 'secret_name', 'total_tokens');
  const value = fc.oneof(
    fc.string({ maxLength: 60 }),
    fc.integer(),
    fc.double({ noNaN: true }),
    fc.boolean(),
    fc.constant(`password: "${long(12)}" and sk-${long(20)}`),
    fc.constant(`-----BEGIN PRIVATE KEY-----\n${long(64)}`),
  );
  fc.assert(
    fc.property(fc.dictionary(key, fc.oneof(value, fc.array(value), fc.dictionary(key, value))), (record) => {
      const once = JSON.stringify(record);
      JSON.parse(redactSecrets(once));
      JSON.parse(redactSecrets(JSON.stringify({ said: once })));
    }),
    { numRuns: 2_000 },
  );
});
