// Where a session's CLI stays between two turns. It may stay after a turn that ended well, and serves the next one only if
// a CLI that is started now would be started likewise; between the two it stands still. Whatever is not as it must be
// ends it, and says why: then the next turn starts one anew.
import type { Options } from '@anthropic-ai/claude-agent-sdk';
import { type Log, silentLog } from '../core/log.ts';
import type { ExecutionDirectory } from '../core/ports/execution.ts';
import { cutText } from '../text/cut-text.ts';
import type { WhyEnded } from './cli-ends.ts';
import { type CliGround, differenceOf, groundOf, hasRemoteToolServers } from './cli-ground.ts';
import type { CliProcess } from './cli-process.ts';
import {
  type FrozenProcesses,
  freezeOnly,
  type KnownProcess,
  type ProcessPlace,
  processesOf,
} from './frozen-processes.ts';
import { endProcesses } from './processes.ts';
import { type StartedCli, startCli } from './started-cli.ts';
import { dropConfiguration } from './static-config.ts';
import { recordSurroundings, type Surroundings, tidySurroundings } from './surroundings.ts';

export interface CliPlace {
  /** Of the turn that runs: its CLI may stay. */
  readonly wanted: boolean;
  begin(options: { readonly keep: boolean }): void;
  /** Once per run of the CLI, before it gets its message. */
  take(options: Options, directory: ExecutionDirectory): Promise<StartedCli | null>;
  /** In place of `startCli`. */
  start(options: Options, process: CliProcess, directory: ExecutionDirectory): Promise<StartedCli>;
  /** null when a next turn could go on with the running CLI; `next`: what one would be started with now. */
  whyNot(next: Options): Promise<WhyEnded | null>;
  /** Freezes the running CLI. When that cannot be had, it says why; then the CLI is to be ended. */
  keep(): Promise<WhyEnded | null>;
  /** Ends what is kept; says why, unless that was said before. */
  end(why?: WhyEnded): Promise<void>;
  /** Notes why the running CLI does not stay. */
  ended(why: WhyEnded): void;
  /** The turn is over: what was kept before it and not taken, ends. */
  finish(): Promise<void>;
  /** True when a CLI stays. */
  isTaken(): boolean;
  /** Of the turn that runs: null when a kept CLI serves it, else why none did. */
  whyCold(): WhyEnded | null;
  resting(): Promise<{ readonly memoryBytes: number } | { readonly why: WhyEnded }>;
}

interface Live {
  readonly cli: StartedCli;
  readonly ground: CliGround;
  readonly directory: ExecutionDirectory;
  /** Taken before the agent could do anything. */
  record(): Promise<{ readonly processes: readonly KnownProcess[]; readonly surroundings: Surroundings }>;
}

interface Kept extends Live {
  readonly frozen: FrozenProcesses;
  readonly surroundings: Surroundings;
}

/** `alone`: every process that this one can see belongs to the session. */
export function createCliPlace({
  alone,
  ofHost = [],
  log = silentLog,
}: {
  readonly alone: boolean;
  readonly ofHost?: readonly string[];
  readonly log?: Log;
}): CliPlace {
  let wanted = false;
  let live: Live | null = null;
  let kept: Kept | null = null;
  let why: WhyEnded = 'first';
  let cold: WhyEnded | null = 'first';

  const placeOf = ({ directory }: Live) => ({ directory, alone, ofHost });
  const processPlace = ({ directory }: Live): ProcessPlace => ({ root: directory.root, alone });
  const pidOf = ({ cli }: Live) => cli.process.pids().at(-1) ?? -1;

  async function end(reason: WhyEnded = why): Promise<void> {
    why = reason;
    const ending = kept;
    kept = null;
    if (!ending) return;
    const { cli, directory } = ending;
    cli.process.kill();
    cli.end();
    cli.conversation.close();
    await endProcesses(directory.root, cli.process.pids());
    await cli.process.ended();
    ending.frozen.thaw();
    await dropConfiguration(directory);
  }

  return {
    get wanted() {
      return wanted;
    },

    begin({ keep }) {
      wanted = keep;
      cold = null;
      live = null;
    },

    async take(options, directory) {
      const found = kept;
      if (!found) {
        cold ??= why;
        return null;
      }
      const reason = (await found.frozen.areAsLeft())
        ? differenceOf(found.ground, await groundOf(options, directory))
        : 'died';
      if (reason !== null) {
        await end(reason);
        cold = reason;
        return null;
      }
      kept = null;
      live = {
        ...found,
        record: async () => ({ ...(await found.record()), surroundings: found.surroundings }),
      };
      found.cli.serve(options);
      found.frozen.thaw();
      return found.cli;
    },

    async start(options, process, directory) {
      let recorded: ReturnType<Live['record']> | undefined;
      const record = () =>
        (recorded ??= recordNow(pidOf(starting), processPlace(starting), placeOf(starting)));
      const ground = await groundOf(options, directory);
      const cli = startCli(options, process, async () => void (await record()));
      const starting: Live = { cli, ground, directory, record };
      live = starting;
      return cli;
    },

    async whyNot(next) {
      if (!live) return 'first';
      if (hasRemoteToolServers(next)) return 'remote-tools';
      return differenceOf(live.ground, await groundOf(next, live.directory));
    },

    async keep() {
      if (!live) return 'first';
      const { processes, surroundings: before } = await live.record();
      const frozen = await freezeOnly(processes, pidOf(live), processPlace(live));
      if (!frozen) return 'processes';
      const tidied = await tidySurroundings(placeOf(live), before);
      if ('changed' in tidied) {
        frozen.thaw();
        log('info', 'surroundings-changed', { path: cutText(tidied.changed, 500) });
        return 'surroundings';
      }
      kept = { ...live, frozen, surroundings: tidied.now };
      return null;
    },

    end,
    ended(reason) {
      why = reason;
    },

    async finish() {
      const isOfThisTurn = kept !== null && live !== null && kept.cli === live.cli;
      if (kept && !isOfThisTurn) await end('not-used');
      live = null;
    },

    isTaken: () => kept !== null,
    whyCold: () => cold,

    async resting() {
      if (!kept) return { why };
      if (await kept.frozen.areAsLeft()) return { memoryBytes: kept.frozen.memoryBytes };
      await end('died');
      return { why };
    },
  };
}

async function recordNow(
  cli: number,
  processes: ProcessPlace,
  place: Parameters<typeof recordSurroundings>[0],
) {
  return {
    processes: await processesOf(cli, processes),
    surroundings: await recordSurroundings(place),
  };
}
