import { expect, test } from 'vitest';
import { chatCommandOf } from '../../src/agent/chat-command.ts';

test.each([
  ['/compact', { kind: 'compact', text: '/compact' }],
  [' /compact  keep the names\nand dates ', { kind: 'compact', text: '/compact keep the names\nand dates' }],
  ['/compact@some_bot', { kind: 'compact', text: '/compact' }],
  ['/drop', { kind: 'drop' }],
  ['/drop@some_bot ', { kind: 'drop' }],
  ['/drop the ball', null],
  ['/compactor', null],
  ['/clear', null],
  ['please /compact', null],
  ['', null],
])('%j', (text, command) => {
  expect(chatCommandOf(text)).toEqual(command);
});
