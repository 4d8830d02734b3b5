import { expect, test } from 'vitest';
import { Invalid } from '../../src/core/errors.ts';
import { type Conversation, conversationOf, sessionKeyOf, turnIdOf } from '../../src/core/ids.ts';

const hostile = [
  'a',
  '-',
  '=2D',
  '/',
  '..',
  'a/b',
  'a:b',
  ' ',
  'ü',
  '👩‍👩‍👧',
  '%',
  '_',
  '\0',
  '\n',
  '=',
  '=3D',
  'a=',
];

test('different conversations never share a key, and a key gives its conversation back', () => {
  const seen = new Map<string, Conversation>();
  for (const tenant of hostile) {
    for (const chat of hostile) {
      for (const thread of [null, ...hostile]) {
        const conversation = { tenant, channel: 'http', bot: 'b', chat, thread };
        const key = sessionKeyOf(conversation);
        expect(seen.get(key), key).toBeUndefined();
        seen.set(key, conversation);
        expect(conversationOf(key)).toEqual(conversation);
        expect(key).toMatch(/^[A-Za-z0-9_=]+(\/[A-Za-z0-9_=]+){3}\/[A-Za-z0-9_=-]+$/);
      }
    }
  }
});

test('ids that cannot be told apart or stored are refused', () => {
  const good = { tenant: 't', channel: 'http', bot: 'b', chat: 'c', thread: null };
  for (const bad of ['', 'x'.repeat(257), '\ud800']) {
    expect(() => sessionKeyOf({ ...good, chat: bad })).toThrow(Invalid);
    expect(() => sessionKeyOf({ ...good, thread: bad })).toThrow(Invalid);
  }
  for (const forged of ['', 'a/b/c', 't/http/b/c/-/x', 't/http/b/c/=2d', 't/http/b/c d/-', 't/http/b//-']) {
    expect(() => conversationOf(forged), forged).toThrow(Invalid);
  }
});

test('a turn id depends on conversation and message, and on nothing else', () => {
  const key = sessionKeyOf({ tenant: 't', channel: 'http', bot: 'b', chat: 'c', thread: null });
  const other = sessionKeyOf({ tenant: 't', channel: 'http', bot: 'b', chat: 'c', thread: '1' });
  expect(turnIdOf(key, 'm1')).toBe(turnIdOf(key, 'm1'));
  expect(new Set([turnIdOf(key, 'm1'), turnIdOf(key, 'm2'), turnIdOf(other, 'm1')]).size).toBe(3);
});
