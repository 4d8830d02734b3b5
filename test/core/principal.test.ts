import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { turnRequest } from '../../src/core/messages.ts';
import {
  isListed,
  isSamePrincipal,
  principalListSchema,
  principalName,
  speakerOf,
} from '../../src/core/principal.ts';

const channel = fc.stringMatching(/^[a-z][a-z0-9-]{0,8}$/);
const principal = fc.record({ channel, id: fc.option(fc.string({ minLength: 1 })) });

describe('who speaks', () => {
  test('is the sender of this very message, on its channel', () => {
    const conversation = { tenant: 't', channel: 'telegram', bot: 'b', chat: '-7', thread: null };
    const message = { conversation, dedupeId: '1', text: 'Hi', receivedAtMs: 0 };
    const sender = { id: '42', name: 'telegram/1' };
    expect(speakerOf(turnRequest({ ...message, sender }))).toEqual({ channel: 'telegram', id: '42' });
    expect(speakerOf(turnRequest(message))).toEqual({ channel: 'telegram', id: null });
  });

  test('two are the same only if channel and id are', () => {
    fc.assert(
      fc.property(principal, principal, (a, b) => {
        const same = a.channel === b.channel && a.id === b.id;
        expect(isSamePrincipal(a, b)).toBe(same);
        expect(principalName(a) === principalName(b)).toBe(same);
      }),
    );
  });
});

describe('a list of people', () => {
  test.each([
    [[], { channel: 'telegram', id: '1' }, false],
    [['telegram/1'], { channel: 'telegram', id: '1' }, true],
    [['telegram/1'], { channel: 'telegram', id: '12' }, false],
    [['telegram/1'], { channel: 'slack', id: '1' }, false],
    [['telegram/*'], { channel: 'slack', id: '*' }, false],
    [['http/*'], { channel: 'http', id: null }, true],
    // Where nobody is told apart, only the whole channel can be meant.
    [['http/1', 'telegram/*'], { channel: 'http', id: null }, false],
  ] as const)('%j and %j: %s', (list, who, listed) => {
    expect(isListed(list, who)).toBe(listed);
  });

  test.each(['ann', '42', 'telegram', 'telegram:', ':42', 'Telegram:42', 'telegram: 42', '*'])(
    'with "%s" in it is refused as a whole',
    (entry) => {
      expect(principalListSchema.safeParse(['telegram/1', entry]).success).toBe(false);
    },
  );
});
