// Cases: a file that a person sends can be fetched whole, and a file of a reply stands in the chat once. A channel that brings
// none says so, and has no such fixture.
import { readFile } from 'node:fs/promises';
import { expect } from 'vitest';
import { fileObjectOf, type StoredFile } from '../../src/core/attachments.ts';
import { promise } from '../../src/core/promises.ts';
import type { Reply } from '../../src/core/records.ts';
import type { ChannelContract, ChannelFault } from './channel-fixture.ts';
import { answersIn, deliverAsCore, hear, ledgerOf, REPLY, turnOf } from './channel-ledger.ts';
import { type Declare, withFixture } from './contract.ts';

const FAULTS: readonly ChannelFault[] = ['refused', 'lost-call', 'lost-answer', 'server-error'];
const BYTES = Buffer.from('Ünïcode\u0000 and more of it');

export function fileCases({ create }: ChannelContract, it: Declare): void {
  it('a file that a person sends comes with the turn, and can be fetched whole', () =>
    withFixture(create, async (fixture) => {
      const { files, channel } = fixture;
      if (!files) return expect(channel.fetchFile).toBeUndefined();
      const { statuses, turns } = await hear(
        fixture,
        files.sent('notes.txt', 'text/plain', BYTES, 'read it'),
      );
      expect(statuses).toEqual([200]);
      const [turn] = turns;
      expect(turn).toMatchObject({
        text: 'read it',
        attachments: [{ name: 'notes.txt', mediaType: 'text/plain', bytes: BYTES.length }],
      });
      const { at } = turn!.attachments![0]!;
      if (!('remote' in at)) throw new Error('There is nothing to fetch it by.');
      const fetched = await channel.fetchFile!(turn!, at.remote);
      const { body } = fetched;
      expect('file' in body ? await readFile(body.file) : Buffer.from(body)).toEqual(BYTES);
      await fetched.release?.();
      if ('file' in body) await expect(readFile(body.file)).rejects.toThrow();
    }));

  it(`${promise('ONCE-OUT')} a file of a reply stands once, below its text, whatever call fails`, async () => {
    for (const fault of FAULTS) {
      for (let after = 0; ; after++) {
        let struck = true;
        await withFixture(create, async (fixture) => {
          const { files } = fixture;
          if (!files) {
            struck = false;
            return expect(fixture.channel.capabilities.files ?? false).toBe(false);
          }
          const turn = await turnOf(fixture, 'hello');
          const file: StoredFile = {
            ...{ name: 'result.csv', mediaType: 'text/csv', bytes: BYTES.length },
            object: fileObjectOf(turn.turnId, 'out-1-0'),
          };
          const line = ledgerOf(turn, {
            async *readFile() {
              yield BYTES;
            },
          });
          const reply: Reply = { ...REPLY, files: [file] };
          fixture.fail(fault, { after });
          await deliverAsCore(fixture, line, reply);
          struck = fixture.faultsLeft() === 0;
          const where = `${fault} after ${after} calls`;
          expect(files.shown(), where).toEqual([{ name: 'result.csv', bytes: BYTES }]);
          expect(answersIn(fixture), where).toEqual([expect.stringContaining('42')]);
        });
        if (!struck) break;
      }
    }
  });
}
