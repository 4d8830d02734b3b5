// The contract of every `AgentHosts`, wherever its hosts run: the real CLI, a scripted model, and what was saved comes back in
// another host. Where a place differs it leaves a case out and says why.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, onTestFailed } from 'vitest';
import { newSessionId, type TurnId } from '../../src/core/ids.ts';
import type { TurnEvent } from '../../src/core/ports/channel.ts';
import type { AgentOutcome, Steering, SteeringMessage } from '../../src/core/ports/execution.ts';
import type { AgentHost, AgentHosts, HostRun } from '../../src/core/ports/hosts.ts';
import type { ObjectStore } from '../../src/core/ports/objects.ts';
import { promise } from '../../src/core/promises.ts';
import type { Lease, SessionHead } from '../../src/core/records.ts';
import { type ContractSkip, cases } from '../../testing/contracts/contract.ts';
import { createScriptedModel, type ScriptedModel } from '../../testing/model/scripted-model.ts';
import { png } from '../../testing/pictures.ts';
import { bash, call, leaseOf, obey, requestOf } from '../agent/turn-fixture.ts';

export interface AgentHostsFixture {
  readonly hosts: AgentHosts;
  readonly objects: ObjectStore;
  /** Of a working directory. */
  readonly maxBytes: number;
  /** A command by which an agent ends its own host, or what runs it. */
  readonly fatal: string;
  /** Resolves when nothing of the hosts that were closed is left. */
  left(): Promise<void>;
  /** For a failed case. */
  output?(): string;
  close(): Promise<void>;
}

export interface AgentHostsContract {
  readonly name: string;
  /** The real key of the model is `sk-real-key`. */
  readonly open: (model: ScriptedModel) => Promise<AgentHostsFixture>;
  readonly skip?: readonly ContractSkip[];
}

export function agentHostsContract({ name, open, skip }: AgentHostsContract): void {
  describe(`agent hosts: ${name}`, () => {
    const { it, finish } = cases(skip);
    let model: ScriptedModel;
    let place: AgentHostsFixture;
    beforeAll(async () => {
      model = await createScriptedModel(obey);
      place = await open(model);
    });
    afterAll(async () => {
      await place?.close();
      await model?.close();
    });

    function session() {
      onTestFailed(() => console.error(place.output?.().slice(-4_000)));
      const first = leaseOf(newSessionId());
      let head: SessionHead = {
        ...first,
        generation: 0,
        state: null,
        createdAtMs: 0,
        updatedAtMs: 0,
        expiresAtSec: 2 ** 31,
      };
      let turns = 0;
      const events: TurnEvent[] = [];
      /** Each turn is another lease, as of another worker. */
      const openHost = async (): Promise<AgentHost> => {
        const lease: Lease = { ...first, owner: randomUUID(), fence: head.fence + 1 };
        head = { ...head, fence: lease.fence };
        return await place.hosts.open(lease, head);
      };
      const run = (
        host: AgentHost,
        text: string,
        over: {
          signal?: AbortSignal;
          steering?: Steering;
          onEvent?: (event: TurnEvent) => void;
          files?: HostRun['files'];
        } = {},
      ): Promise<AgentOutcome> =>
        host.run({
          sessionId: first.sessionId,
          resume: head.generation > 0,
          continuing: false,
          request: requestOf(text, `m${++turns}`),
          tries: 1,
          ...(over.files && { files: over.files }),
          ...(over.steering && { steering: over.steering }),
          progress: (event) => {
            events.push(event);
            over.onEvent?.(event);
          },
          signal: over.signal ?? new AbortController().signal,
        });
      async function save(host: AgentHost, running = false): Promise<void> {
        const generation = head.generation + 1;
        const saved = await host.save({ head, generation, running });
        expect(saved.refused).toEqual([]);
        head = { ...head, generation, state: saved.state };
      }
      async function close(host: AgentHost): Promise<void> {
        await host.close({ keep: false });
        await place.left();
      }
      async function turn(text: string): Promise<AgentOutcome> {
        const host = await openHost();
        try {
          const outcome = await run(host, text);
          await save(host);
          return outcome;
        } finally {
          await close(host);
        }
      }
      return { first, openHost, run, save, close, turn, events, head: () => head };
    }

    it(`${promise('WHOLE')} the next turn finds what the last one left, in another host`, async () => {
      const { turn } = session();
      const began = await turn(bash('cd "$(mktemp -d -p .)" && export WORD=kept && echo text > file && pwd'));
      expect(began).toMatchObject({ status: 'ok' });
      const second = await turn(bash('pwd; cat file; echo $WORD'));
      expect(second.text).toBe(`${began.text}\ntext\nkept`);
    });

    it('what happens is shown while it happens', async () => {
      const { turn, events } = session();
      await turn(bash('echo shown'));
      expect(events.some((event) => event.type === 'tool' && event.name === 'Bash')).toBe(true);
      expect(events.some((event) => event.type === 'text' && event.text.includes('shown'))).toBe(true);
    });

    it(`${promise('ONCE-IN')} what is written meanwhile reaches the agent, and the host says when it has`, async () => {
      const { openHost, run, save, close } = session();
      const told: SteeringMessage = { turnId: 'turn_told' as TurnId, text: 'told-meanwhile' };
      const taken: TurnId[] = [];
      let write: (message: SteeringMessage) => void = () => {};
      const steering: Steering = {
        listen(take) {
          write = take;
          return () => {};
        },
        took: (turnId) => void taken.push(turnId),
      };
      const host = await openHost();
      try {
        const outcome = await run(host, bash('sleep 5; echo done'), {
          steering,
          onEvent: (event) => {
            if (event.type === 'tool' && event.state === 'started') write(told);
          },
        });
        expect(outcome).toMatchObject({ status: 'ok', text: 'done' });
        expect(taken).toEqual([told.turnId]);
        expect(JSON.stringify(model.requests.at(-1)?.body)).toContain(told.text);
        await save(host);
      } finally {
        await close(host);
      }
    });

    it(`${promise('WHOLE')} files of a message lie in the inbox, pictures are shown, and both stay with the session`, async () => {
      const { first, openHost, run, save, close, turn } = session();
      const sent = async (turnId: string, name: string, mediaType: string, body: Buffer) => {
        const key = `${first.tenant}/files/turn_${turnId.repeat(32)}/in-0`;
        await place.objects.put(key, body);
        return { name, mediaType, bytes: body.length, key, read: () => place.objects.stream(key) };
      };
      const list = bash('wc -c inbox/*');
      const host = await openHost();
      try {
        const picture = await sent('a', 'picture.png', 'image/png', png(3, 2));
        const text = await sent('b', 'long.txt', 'text/plain', Buffer.alloc(3_000_000, 'x'));
        const outcome = await run(host, list, { files: [picture, text] });
        expect(outcome.text).toContain('3000000 inbox/long.txt');
        const asked = JSON.stringify(model.requests.at(-1)?.body);
        expect(asked).toContain(png(3, 2).toString('base64'));
        expect(asked).toContain('inbox/picture.png');
        await save(host);
      } finally {
        await close(host);
      }
      expect((await turn(bash('ls inbox'))).text).toBe('long.txt\npicture.png');
    });

    it(`${promise('ONCE-OUT')} what the agent sends comes as it was at the call, in order, and is no part of the session`, async () => {
      const { first, openHost, run, save, close, turn } = session();
      const send = (path: string, caption?: string) => ({
        name: 'mcp__this_chat__send_file',
        input: { path, ...(caption && { caption }) },
      });
      const shell = (command: string) => ({ name: 'Bash', input: { command, description: 'test' } });
      const host = await openHost();
      const keyOf = (index: number) => `${first.tenant}/files/turn_${'c'.repeat(32)}/out-${index}`;
      try {
        const outcome = await run(
          host,
          call(
            shell(
              'mkdir -p out; echo one > out/a.txt; head -c 9000000 /dev/zero > b.bin; ln -s /etc/passwd link',
            ),
            send('out/a.txt', 'the first'),
            shell('echo changed > out/a.txt'),
            send('b.bin'),
            send('link'),
            send('/etc/passwd'),
            send('out'),
            send('nothing'),
            shell('rm link'),
          ),
        );
        expect(outcome.sent).toEqual([
          { name: 'a.txt', mediaType: 'text/plain', caption: 'the first', bytes: 4 },
          { name: 'b.bin', mediaType: 'application/octet-stream', bytes: 9_000_000 },
        ]);
        for (const reason of ['lies outside', 'is no file', 'There is no file'])
          expect(outcome.text).toContain(reason);
        const files = outcome.sent!.map(({ bytes }, index) => ({ bytes, key: keyOf(index) }));
        expect(await host.give?.(files)).toEqual([true, true]);
        expect(Buffer.from(await place.objects.get(keyOf(0))).toString()).toBe('one\n');
        expect((await place.objects.get(keyOf(1))).length).toBe(9_000_000);
        await save(host);
      } finally {
        await close(host);
      }
      expect(await turn('next')).not.toHaveProperty('sent');
    });

    it('what is left running is named with its last words, ended, and told to the agent next time', async () => {
      const { turn } = session();
      const left = await turn(bash('(echo begun; exec sleep 5731) > log 2>&1 & echo started'));
      expect(left).toMatchObject({ status: 'ok', text: 'started' });
      expect(left.ended).toEqual([{ name: 'sleep 5731', lastLines: 'begun' }]);
      const next = await turn(bash('pgrep -fx "sleep 5731" || echo ended'));
      expect(next).toMatchObject({ status: 'ok', text: 'ended' });
      expect(next.ended).toBeUndefined();
      expect(JSON.stringify(model.requests.at(-1)?.body)).toContain('which you had left running');
    });

    it(`${promise('FORGET', 'NO-SECRETS')} another session finds neither the key nor files that were planted`, async () => {
      await session().turn(bash('echo planted > secret; echo planted > $HOME/.bashrc'));
      const found = await session().turn(
        bash(
          'ls -A . $HOME; cat $HOME/.bashrc 2>/dev/null; env; cat /proc/self/environ /proc/$PPID/environ | tr "\\0" "\\n"',
        ),
      );
      expect(found.status).toBe('ok');
      expect(found.text).not.toContain('sk-real-key');
      expect(found.text).not.toContain('planted');
      expect(found.text.split('\n')).not.toContain('secret');
    });

    it(`${promise('FORGET', 'NO-SECRETS')} no environment or command line of this machine says anything of another session`, async () => {
      await session().turn(bash('(setsid env -i sleep 321 &) ; true'));
      const found = await session().turn(
        bash(
          'cat /proc/[0-9]*/environ 2>/dev/null | tr "\\0" "\\n"; cat /proc/[0-9]*/cmdline 2>/dev/null | tr "\\0" " "',
        ),
      );
      expect(found.status).toBe('ok');
      expect(found.text).not.toContain('sk-real-key');
      expect(found.text).not.toContain('sleep 321');
    });

    it(`${promise('FORGET', 'MOMENT')} what hides from the turn's mark is gone when the turn ends, before it is saved`, async () => {
      const { openHost, run, save, close, head, turn } = session();
      const host = await openHost();
      const hidden = 'while sleep 0.05; do date +%s%N > late; done';
      await run(
        host,
        bash(
          `(setsid env -i PATH="$PATH" /bin/sh -c '${hidden}' >/dev/null 2>&1 &); while ! ls late 2>/dev/null; do sleep 0.05; done`,
        ),
      );
      // It would write on: two saves hold the same file only if nobody does.
      await save(host);
      const contentOf = (state: unknown) => (state as { history: [number, string][] }).history.at(-1)?.[1];
      const before = contentOf(head().state);
      for (let saves = 0; saves < 5; saves++) await save(host);
      expect(contentOf(head().state)).toBe(before);
      await close(host);
      expect((await turn(bash('ls'))).text).toBe('late');
    });

    it('a save in mid-turn, and one after it, follow each other', async () => {
      const { openHost, run, save, close, turn } = session();
      const host = await openHost();
      const running = run(host, bash('echo one > one; sleep 4; echo two > two'));
      await expect
        .poll(
          async () =>
            await save(host, true).then(
              () => true,
              () => false,
            ),
        )
        .toBe(true);
      expect((await running).status).toBe('ok');
      await save(host);
      await close(host);
      expect((await turn(bash('cat one two'))).text).toBe('one\ntwo');
    });

    it('a stop reaches the agent, and what it did is kept', async () => {
      const { openHost, run, save, close, turn } = session();
      const host = await openHost();
      const stop = new AbortController();
      const outcome = await run(host, bash('echo begun > begun; sleep 120'), {
        signal: stop.signal,
        onEvent: (event) => {
          if (event.type === 'tool') stop.abort('stop');
        },
      });
      expect(outcome.status).toBe('stopped');
      await save(host);
      await close(host);
      expect((await turn(bash('echo again'))).text).toBe('again');
    });

    it('a host that dies is a crash of the agent, and its session goes on from the last save', async () => {
      const { openHost, run, close, turn } = session();
      await turn(bash('echo kept > kept'));
      const host = await openHost();
      expect(await run(host, bash(`echo lost > lost; ${place.fatal}`))).toMatchObject({ status: 'failed' });
      await close(host);
      expect((await turn(bash('cat kept; ls'))).text).toBe('kept\nkept');
    });

    it('too much to keep is told, and nothing of it is kept', async () => {
      const { openHost, run, save, close, turn } = session();
      await turn(bash('echo kept > kept'));
      const host = await openHost();
      await run(host, bash(`head -c ${place.maxBytes + 1_000_000} /dev/zero > large`));
      await expect(save(host)).rejects.toMatchObject({ code: 'workspace-too-large' });
      await close(host);
      expect((await turn(bash('ls'))).text).toBe('kept');
    });

    it(`${promise('NO-AMNESIA')} state that cannot be read is told as that`, async () => {
      const { first, openHost, turn } = session();
      await turn(bash('echo kept > kept'));
      for await (const { key } of place.objects.list(`${first.tenant}/${first.sessionId}/`)) {
        await place.objects.delete([key]);
      }
      await expect(openHost()).rejects.toMatchObject({ name: 'Corrupt', code: 'missing-pack' });
      await place.left();
    });

    it(`${promise('TENANT')} every object lies below its tenant and session`, async () => {
      const { first, turn } = session();
      const before = new Set(await keysIn(place.objects));
      await turn(bash('echo x > x'));
      const made = (await keysIn(place.objects)).filter((key) => !before.has(key));
      expect(made).not.toEqual([]);
      for (const key of made) expect(key.startsWith(`${first.tenant}/${first.sessionId}/`)).toBe(true);
    });

    it('closing a host twice is no error', async () => {
      const { openHost } = session();
      const host = await openHost();
      await host.close({ keep: false });
      await host.close({ keep: false });
      await place.left();
    });

    finish();
  });
}

async function keysIn(objects: ObjectStore): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of objects.list('')) keys.push(key);
  return keys;
}
