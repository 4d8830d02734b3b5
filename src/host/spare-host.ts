// A started host that no session has yet, as the place in which hosts run gives it.
import type { StateLimits } from '../core/ports/execution.ts';
import type { Lease } from '../core/records.ts';
import type { StoredGeneration } from '../state/record.ts';
import type { HostLink } from './host-link.ts';
import type { WhyEvicted } from './hot-reasons.ts';
import type { PackIntake } from './pack-intake.ts';
import type { NetworkSetting } from './sandbox/network-setting.ts';

/** A started host that has no session yet. */
export interface SpareHost {
  readonly link: HostLink;
  /** A host's own folder, seen from the worker; the session's directory as the host sees it. */
  claim(lease: Lease, stored: StoredGeneration | null): Promise<ClaimedPlace>;
  /** False when one that is started now would read another agent folder. */
  isCurrent?(): Promise<boolean>;
  /** Ends the host and removes what it leaves. Safe to call twice. */
  close(): Promise<void>;
  /**
   * Where the agent stays by itself and is found by its session's next claim: lets it come to rest, and goes. Resolves to
   * why it did not stay; null when it did.
   */
  stay?(): Promise<WhyEvicted | null>;
}

export interface ClaimedPlace {
  readonly directory: { readonly root: string; readonly config: string; readonly workspace: string };
  /** Makes a pack readable for the host under its name; false when there is none. */
  stage(key: string, name: string): Promise<boolean>;
  /** Lets the host put an object there under that name; absent where it puts nothing by itself. */
  expect?(key: string, name: string): void;
  /** For the worker's own files of this host. */
  readonly spool: string;
  /** Where packs do not come over the host's stream. */
  readonly intake?: PackIntake;
}

/** What a host has to be started with for one tenant, and a spare is not. */
export interface HostNeeds {
  /** Name of its agent folder; null: the installation's own. */
  readonly agent: string | null;
  /** Narrows what the folder allows. */
  readonly network: NetworkSetting | null;
  readonly limits: StateLimits;
}
