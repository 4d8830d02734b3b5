// Lists with room for so many. Who holds a place is known by name, so one that comes again takes no second place.
import type { UsageAccount } from './usage.ts';

/** One list of an account. `list`: letters, digits, `-`, `:` and `/`. */
export interface PlaceList extends UsageAccount {
  readonly list: string;
}

export interface PlaceHolder {
  readonly holder: string;
  readonly takenAtMs: number;
}

/** Many inlets take places at once; never more are held than there is room for. */
export interface Places {
  /** `held`: it was this holder's already, full or not. A place is free again after `keepSec`. */
  take(
    list: PlaceList,
    holder: string,
    room: { readonly limit: number; readonly keepSec: number },
  ): Promise<'taken' | 'held' | 'full'>;
  holders(list: PlaceList): Promise<readonly PlaceHolder[]>;
  /** Leaving a place that one does not have is no error. */
  leave(list: PlaceList, holders: readonly string[]): Promise<void>;
  /** Forgets all lists of an account. Other accounts' stay. */
  erase(account: UsageAccount): Promise<void>;
  close(): Promise<void>;
}
