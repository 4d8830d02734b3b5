// A host within the worker's own process: its parts (workplace, state, runner) are called directly. There is no wall between
// worker and agent but what the runner puts around the CLI. A host process runs on the same code, on its side of the line.
import { dropOutgoing, outgoingFiles } from '../agent/outgoing-files.ts';
import type { Log } from '../core/log.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { AgentRunner, ExecutionDirectory, SessionState, Workplace } from '../core/ports/execution.ts';
import type { AgentHost, AgentHosts, GivenAway } from '../core/ports/hosts.ts';
import type { ObjectStore } from '../core/ports/objects.ts';
import type { Lease, SessionHead } from '../core/records.ts';
import { countHostFacts, type HostFactsCounter } from './host-facts.ts';
import { atOneMoment } from './one-moment.ts';

export interface HostParts {
  readonly state: Pick<SessionState, 'restore' | 'checkpoint'>;
  readonly workplace: Workplace;
  readonly runner: AgentRunner;
  /** Where files go that the agent sends; without it, it sends none. */
  readonly objects?: Pick<ObjectStore, 'put'>;
  readonly clock: Clock;
  readonly log: Log;
}

export function createDirectHosts(parts: HostParts): AgentHosts {
  const { state, workplace, runner } = parts;
  return {
    async open(lease, head) {
      const askedAtMs = performance.now();
      const hot = await workplace.reopen?.(lease, head);
      const directory = hot?.directory ?? (await workplace.open(lease));
      const facts = countHostFacts(hot ? 'hot' : 'new', askedAtMs);
      try {
        const restored = hot ? null : await state.restore(head, directory);
        facts.gave(restored?.bytesRead ?? 0);
        return hostIn(parts, lease, head, directory, (hot ?? restored)?.baseline, facts);
      } catch (error) {
        await workplace.close(lease);
        throw error;
      }
    },
    ...(runner.modelAnswers ? { modelAnswers: () => runner.modelAnswers!() } : {}),
    ...(runner.models && { models: runner.models }),
  };
}

function hostIn(
  parts: HostParts,
  lease: Lease,
  { generation: restored }: SessionHead,
  directory: ExecutionDirectory,
  restoredBaseline: unknown,
  facts: HostFactsCounter,
): AgentHost {
  const { state, workplace, runner, clock, log } = parts;
  const pause = workplace.pause && (() => workplace.pause!(lease));
  const pausing = { pause, session: lease.sessionId, clock, log };
  /** What the files were when they were last restored or saved. */
  let held = { generation: restored, baseline: restoredBaseline };
  return {
    run: (run) => runner.run({ ...run, directory }),
    async save({ head, generation, running, turn }) {
      const { fence } = lease;
      const { baseline } = held;
      const checkpoint = (onRead?: () => void) =>
        state.checkpoint({
          head,
          generation,
          fence,
          baseline,
          directory,
          ...(onRead ? { onRead } : {}),
          ...(turn ? { turn } : {}),
        });
      const saved = await (running ? atOneMoment(pausing, checkpoint) : checkpoint());
      held = { generation, baseline: saved.baseline };
      facts.saved(saved.bytesWritten);
      return { state: saved.state, refused: saved.refused, compactionDue: saved.compactionDue };
    },
    ...(parts.objects && { give: (files) => giveFiles(parts.objects!, directory, files) }),
    facts: facts.now,
    close: async ({ keep }) => {
      if (keep && workplace.keep) await workplace.keep(lease, held);
      else await workplace.close(lease);
    },
  };
}

async function giveFiles(
  objects: Pick<ObjectStore, 'put'>,
  { config }: ExecutionDirectory,
  files: readonly GivenAway[],
): Promise<readonly boolean[]> {
  const outgoing = await outgoingFiles(config);
  const given: boolean[] = [];
  for (const [index, { key, bytes }] of files.entries()) {
    const file = outgoing[index];
    given.push(file?.bytes === bytes);
    if (file?.bytes === bytes) await objects.put(key, { file: file.path, bytes });
  }
  await dropOutgoing(config);
  return given;
}
