// Notes on which conversations share a session (../links.ts), as the store keeps them: small, of one tenant, and changed
// several at once.
import type { Json } from '../messages.ts';

export interface LinkNote {
  readonly value: Json;
  /** Never the same for two notes, nor for a note that was removed and one that came later. */
  readonly version: string;
}

export interface LinkChange {
  readonly name: string;
  /** The version that was read, null for none. */
  readonly over: string | null;
  /** null removes it. */
  readonly value: Json | null;
  /** From then on there is none; kept for good when left out. */
  readonly expiresAtSec?: number;
}
