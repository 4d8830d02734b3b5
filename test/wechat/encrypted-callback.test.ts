// The cipher and the signature against what Tencent published with its sample code, and everything that must not pass.
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  type CallbackKeys,
  decryptCallback,
  encryptAnswer,
  isFresh,
  isSigned,
} from '../../src/channels/tencent/encrypted-callback.ts';

/** Of the sample code's own tests: keys, a text and what it is encrypted to with the random bytes `aaaabbbbccccdddd`. */
const AES_KEY = 'abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG';
const SAMPLE = {
  keys: { token: 'pamtest', aesKey: AES_KEY, receiver: 'wxb11529c136998cb6' },
  message: '我是中文abcd123',
  encrypted: 'jn1L23DB+6ELqJ+6bruv21Y6MD7KeIfP82D6gU39rmkgczbWwt5+3bnyg5K55bgVtVzd832WzZGMhkP72vVOfg==',
};
/** A message as it came, with its signature. */
const RECEIVED = {
  keys: { token: 'spamtest', aesKey: AES_KEY, receiver: 'wx2c2769f8efd9abc2' },
  timestamp: '1409735669',
  nonce: '1320562132',
  signature: '5d197aaffba7e9b25a30732f161a50dee96bd5fa',
  encrypted:
    'hyzAe4OzmOMbd6TvGdIOO6uBmdJoD0Fk53REIHvxYtJlE2B655HuD0m8KUePWB3+LrPXo87wzQ1QLvbeUgmBM4x6F8PGHQHFVAFmOD2LdJF9FrXpbUAh0B5GIItb52sn896wVsMSHGuPE328HnRGBcrS7C41IzDWyWNlZkyyXwon8T332jisa+h6tEDYsVticbSnyU8dKOIbgU6ux5VTjg3yt+WGzjlpKn6NPhRjpA912xMezR4kw6KWwMrCVKSVCZciVGCgavjIQ6X8tCOp3yZbGpy0VxpAe+77TszTfRd5RJSVO/HTnifJpXgCSUdUue1v6h0EIBYYI1BD1DlD+C0CR8e6OewpusjZ4uBl9FyJvnhvQl+q5rv1ixrcpCumEPo5MJSgM9ehVsNPfUM669WuMyVWQLCzpu9GhglF2PE=',
};

describe('published vectors', () => {
  test('the sample text', () => {
    expect(decryptCallback(SAMPLE.keys, SAMPLE.encrypted)).toBe(SAMPLE.message);
  });

  test('the sample message, with its signature', () => {
    const { keys, encrypted, ...given } = RECEIVED;
    expect(isSigned(keys.token, given, encrypted)).toBe(true);
    expect(decryptCallback(keys, encrypted)).toContain('<Content><![CDATA[abcdteT]]></Content>');
  });

  test('what we encrypt we decrypt, and it is signed', () => {
    const { keys } = RECEIVED;
    for (const text of ['', 'a', '好'.repeat(5_000), '\u{1f600}', 'x'.repeat(31), 'x'.repeat(32)]) {
      const made = encryptAnswer(keys, text, { nowMs: 1_409_735_669_000, nonce: 'n' });
      expect(decryptCallback(keys, made.encrypted)).toBe(text);
      expect(isSigned(keys.token, made, made.encrypted)).toBe(true);
    }
  });
});

describe('what must not pass', () => {
  const { keys, encrypted, ...given } = RECEIVED;

  test.each<[string, typeof given, string]>([
    ['another signature', { ...given, signature: given.signature.replace('5', '6') }, encrypted],
    ['an empty one', { ...given, signature: '' }, encrypted],
    ['upper case', { ...given, signature: given.signature.toUpperCase() }, encrypted],
    ['another time', { ...given, timestamp: '1409735670' }, encrypted],
    ['another nonce', { ...given, nonce: '1' }, encrypted],
    ['another text', given, `${encrypted.slice(0, -4)}AAA=`],
    ['no text', given, ''],
  ])('%s', (_, one, text) => {
    expect(isSigned(keys.token, one, text)).toBe(false);
  });

  test('an empty token signs nothing', () => {
    const signature = createHash('sha1').update(['', '1', '2'].sort().join('')).digest('hex');
    expect(isSigned('', { signature, timestamp: '1', nonce: '2' })).toBe(false);
  });

  test('a time that is not about now', () => {
    const nowMs = 1_409_735_669_000;
    for (const ageSec of [0, 299, -299]) expect(isFresh(String(1_409_735_669 - ageSec), nowMs)).toBe(true);
    for (const wrong of [null, '', 'x', '-1', '1e9', '1409735369 ', '1409735368', '1409735970']) {
      expect(isFresh(wrong, nowMs), String(wrong)).toBe(false);
    }
  });

  test('a message for another receiver, another key, noise', () => {
    const wrong = (over: Partial<CallbackKeys>, text = encrypted) => {
      expect(() => decryptCallback({ ...keys, ...over }, text)).toThrow(
        expect.objectContaining({ code: 'bad-cipher' }),
      );
    };
    wrong({ receiver: 'wxb11529c136998cb6' });
    wrong({ aesKey: AES_KEY.replace('a', 'b') });
    for (const noise of ['', 'AAAA', '!', encrypted.slice(0, 40)]) wrong({}, noise);
  });
});
