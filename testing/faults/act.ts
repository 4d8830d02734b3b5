// What a person does in place of writing a message.
export type Act =
  /** `text`: what stands behind it is the next message. */
  | { readonly kind: 'stop'; readonly text: boolean }
  | { readonly kind: 'btw' }
  | { readonly kind: 'undo'; readonly turns: number }
  | { readonly kind: 'redo' }
  | { readonly kind: 'new' }
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
  'ask',
  'press',
] as const satisfies readonly Act['kind'][];
