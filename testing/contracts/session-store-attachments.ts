// What came with a message stays with its line in the ledger, as it was sent.
import { expect } from 'vitest';
import { type Attachment, fileObjectOf } from '../../src/core/attachments.ts';
import { Invalid } from '../../src/core/errors.ts';
import { tenantOf } from '../../src/core/ids.ts';
import { promise } from '../../src/core/promises.ts';
import { conversation, type Declare, expectFailure, message, withFixture } from './contract.ts';
import type { SessionStoreContract } from './session-store-fixture.ts';
import { begin, RETENTION_SEC, wholeTurn } from './session-store-steps.ts';

export function attachmentCases({ create }: SessionStoreContract, it: Declare): void {
  const filesOf = (request: ReturnType<typeof message>): Attachment[] => [
    {
      name: 'Übersicht 👋.pdf',
      mediaType: 'application/pdf',
      bytes: 12,
      at: { object: fileObjectOf(request.turnId, 'in-0') },
    },
    { name: 'photo.jpg', mediaType: 'image/jpeg', bytes: null, at: { remote: { id: 'x' } }, group: 'album' },
    { name: 'film.mp4', mediaType: 'video/mp4', bytes: 2 ** 31, at: { refused: 'too large' }, voice: true },
  ];

  it(`${promise('ACKED')} files of a message are in its line, wherever the line is read`, () =>
    withFixture(create, async ({ store, reopen }) => {
      const of = conversation();
      const plain = message(of);
      const request = { ...plain, attachments: filesOf(plain) };
      expect((await store.accept(request, RETENTION_SEC)).attachments).toEqual(request.attachments);
      const { turn } = await begin(store, request);
      expect(turn.attachments).toEqual(request.attachments);
      const again = (await reopen?.()) ?? store;
      const tenant = tenantOf(request.sessionKey);
      expect((await again.getTurn(tenant, request.turnId))?.attachments).toEqual(request.attachments);
      const { items } = await again.listTurns(request.sessionKey);
      expect(items.map(({ attachments }) => attachments)).toEqual([request.attachments]);
    }));

  it('a message without files has none in its line', () =>
    withFixture(create, async ({ store }) => {
      const request = message(conversation());
      await wholeTurn(store, request);
      const turn = await store.getTurn(tenantOf(request.sessionKey), request.turnId);
      expect(turn && 'attachments' in turn).toBe(false);
    }));

  it(`${promise('ONCE-IN')} one id with other files is another message`, () =>
    withFixture(create, async ({ store }) => {
      const plain = message(conversation());
      const request = { ...plain, attachments: filesOf(plain) };
      await store.accept(request, RETENTION_SEC);
      await store.accept(request, RETENTION_SEC);
      await expectFailure(store.accept(plain, RETENTION_SEC), Invalid, 'idempotency-mismatch');
      const fewer = { ...request, attachments: request.attachments.slice(1) };
      await expectFailure(store.accept(fewer, RETENTION_SEC), Invalid, 'idempotency-mismatch');
    }));
}
