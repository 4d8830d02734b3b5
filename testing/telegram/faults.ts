// Faults that a test or the fault kit plans for coming calls. Each fault applies to the calls it matches, `times`
// times; the oldest fault comes first.

export type FaultKind =
  /** 429 with `retryAfterSec` (fractions are allowed here, so that tests need not wait whole seconds). */
  | { readonly kind: 'rate-limit'; readonly retryAfterSec: number }
  /** An error answer; with `applied`, given although the call was carried out. */
  | {
      readonly kind: 'error';
      readonly status: number;
      readonly description?: string;
      readonly applied?: boolean;
    }
  /** The connection is cut before the call is carried out. */
  | { readonly kind: 'cut-before' }
  /** The call is carried out, the connection is cut before the answer: the lost response. */
  | { readonly kind: 'cut-after' }
  /** The call is carried out, but no answer comes for `ms`. */
  | { readonly kind: 'slow'; readonly ms: number }
  /** The call is carried out, but no answer ever comes; the connection stays open. */
  | { readonly kind: 'silent' };

type Fault = FaultKind & {
  /** A Bot API method; all if left out. */
  readonly method?: string;
  readonly chatId?: number;
  /** Only calls whose text (plain or Markdown) this accepts. */
  readonly text?: (text: string) => boolean;
  /** How many calls it strikes (default 1). */
  readonly times?: number;
  /** Lets this many fitting calls pass first (default 0). */
  readonly after?: number;
};

export interface FaultPlan {
  add(fault: Fault): void;
  /** Takes the fault that strikes this call, if any. */
  take(method: string, chatId: number | null, text: string): FaultKind | null;
  clear(): void;
  /** Strikes still to come. */
  readonly left: number;
}

export function createFaultPlan(): FaultPlan {
  let planned: { readonly fault: Fault; times: number; after: number }[] = [];
  return {
    add(fault) {
      planned.push({ fault, times: fault.times ?? 1, after: fault.after ?? 0 });
    },
    take(method, chatId, text) {
      for (const entry of planned) {
        const { fault } = entry;
        if (fault.method !== undefined && fault.method !== method) continue;
        if (fault.chatId !== undefined && fault.chatId !== chatId) continue;
        if (fault.text && !fault.text(text)) continue;
        if (entry.after > 0) {
          entry.after--;
          continue;
        }
        entry.times--;
        planned = planned.filter(({ times }) => times > 0);
        return fault;
      }
      return null;
    },
    clear() {
      planned = [];
    },
    get left() {
      return planned.reduce((sum, { times }) => sum + times, 0);
    },
  };
}
