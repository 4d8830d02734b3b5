// Slack's signature: the published example, and every way to be wrong.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isSigned, signatureOf } from '../../src/channels/slack/signature.ts';

/** https://docs.slack.dev/authentication/verifying-requests-from-slack */
const EXAMPLE = {
  secret: '8f742231b10e8888abcd99yyyzzz85a5',
  timestamp: '1531420618',
  signature: 'v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503',
  body: Buffer.from(
    'token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c',
  ),
};
const AT_MS = Number(EXAMPLE.timestamp) * 1_000;
const headersOf = (timestamp: string, signature: string) =>
  new Headers({ 'x-slack-request-timestamp': timestamp, 'x-slack-signature': signature });

test("Slack's own example is taken, also beside another secret", () => {
  const { secret, timestamp, signature, body } = EXAMPLE;
  const signed = { headers: headersOf(timestamp, signature), body };
  expect(isSigned(signed, [secret], AT_MS)).toBe(true);
  expect(isSigned(signed, ['another', secret], AT_MS)).toBe(true);
  expect(isSigned(signed, ['another', ''], AT_MS)).toBe(false);
});

test.each([
  [-301, false],
  [-300, true],
  [0, true],
  [300, true],
  [301, false],
])('%i seconds after it was signed: %s', (seconds, taken) => {
  const { secret, timestamp, signature, body } = EXAMPLE;
  const signed = { headers: headersOf(timestamp, signature), body };
  expect(isSigned(signed, [secret], AT_MS + seconds * 1_000)).toBe(taken);
});

test('whatever is changed of body, time or signature is refused', () => {
  const { secret, timestamp, signature } = EXAMPLE;
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.string(), fc.nat(600), (body, other, late) => {
      const right = signatureOf(body, timestamp, secret);
      expect(isSigned({ headers: headersOf(timestamp, right), body }, [secret], AT_MS)).toBe(true);
      const longer = new Uint8Array([...body, 0]);
      expect(isSigned({ headers: headersOf(timestamp, right), body: longer }, [secret], AT_MS)).toBe(false);
      const later = String(Number(timestamp) + late + 1);
      expect(isSigned({ headers: headersOf(later, right), body }, [secret], AT_MS)).toBe(false);
      const forged = encodeURIComponent(other);
      if (forged !== right) {
        expect(isSigned({ headers: headersOf(timestamp, forged), body }, [secret], AT_MS)).toBe(false);
      }
      if (other !== secret)
        expect(
          isSigned(
            { headers: headersOf(timestamp, signatureOf(body, timestamp, other)), body },
            [secret],
            AT_MS,
          ),
        ).toBe(false);
    }),
  );
  for (const bad of ['', 'abc', '1e9', '-1', '15314206180000000']) {
    expect(isSigned({ headers: headersOf(bad, signature), body: EXAMPLE.body }, [secret], AT_MS)).toBe(false);
  }
});
