// What a person does in place of writing a message.
export type Act =
  /** `text`: what stands behind it is the next message. */
  | { readonly kind: 'stop'; readonly text: boolean }
  | { readonly kind: 'btw' }
  | { readonly kind: 'undo'; readonly turns: number }
  | { readonly kind: 'redo' }
  | { readonly kind: 'new' }
  /** Confirmed at once, when everything written before is answered. */
  | { readonly kind: 'forget' }
  /** The group becomes a supergroup. */
  | { readonly kind: 'migrate' }
  /** A message at which the agent schedules the wake-up that has the number `wake`. */
  | { readonly kind: 'schedule'; readonly wake: number; readonly inMs: number }
  /** Nobody writes it: it is due by itself. */
  | { readonly kind: 'wake'; readonly of: number }
  /** A message that the agent asks back about. */
  | { readonly kind: 'ask' }
  | {
      readonly kind: 'press';
      /** The message that was asked back about. */
      readonly of: number;
      readonly decision: 'once' | 'chat' | 'deny';
      /** Somebody else of the same group, who may not decide. */
      readonly stranger: boolean;
    };

export const ACTS = [
  'stop',
  'btw',
  'undo',
  'redo',
  'new',
  'forget',
  'migrate',
  'schedule',
  'wake',
  'ask',
  'press',
] as const satisfies readonly Act['kind'][];
