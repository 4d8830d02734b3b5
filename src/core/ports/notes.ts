// Small notes that the workers of one channel share: a token that all of them send with, for example. A note changes
// only as long as it is the one that was read, so of several that change it at once exactly one does.
import type { Json } from '../messages.ts';

export interface ChannelNote {
  readonly value: Json;
  /** 1, 2, 3 ...: which note of this name it is. */
  readonly version: number;
}

/** Names: `CHANNEL/BOT/WHAT`. Nothing in a note is a tenant's own. */
export interface ChannelNotes {
  /** null when there is none, or its time is over. */
  read(name: string): Promise<ChannelNote | null>;
  /**
   * Puts it in the place of version `over`, 0 for none; false when another one is there by now. What has ended is none.
   * A platform's own retry of a write can make the winner believe it lost: read again after false.
   */
  write(
    name: string,
    value: Json,
    change: { readonly over: number; readonly keepSec: number },
  ): Promise<boolean>;
}
