// What the light agent is given and says, as plain JSON: the input as its argument, what people write meanwhile as lines of its
// input stream; it prints lines, the outcome last.
import type { DecidedCall } from '../../src/core/asked-call.ts';

/** The tool that people are asked about. */
export const ASKED_TOOL = 'WriteIfAllowed';

export interface LightAgentInput {
  readonly transcript: string;
  readonly workspace: string;
  readonly sessionId: string;
  readonly text: string;
  /** Of the entry that holds it; a random one when left out. */
  readonly uuid?: string;
  /** The run is the answer to these calls; `text` is needed only where none of them waits any more. */
  readonly decided: readonly Pick<DecidedCall, 'id' | 'verdict' | 'reason'>[] | null;
  readonly modelUrl: string;
  readonly modelTimeoutMs: number;
  /** So often the model is asked in a row where it does not answer. */
  readonly modelTries: number;
}

/** Told to the agent while it runs. */
export interface Told {
  readonly uuid: string;
  readonly text: string;
}

export interface LaterOutput {
  readonly text: string;
  readonly at: string;
}

export interface HeldCallOutput {
  readonly id: string;
  readonly file: string;
  readonly content: string;
}

export type LightAgentLine =
  /** It stands in the transcript from now on. */
  { readonly took: string } | { readonly outcome: LightAgentOutput };

export interface LightAgentOutput {
  readonly status: 'ok' | 'interrupted' | 'model-unavailable' | 'model-refused';
  readonly text: string;
  /** What is to be done later: what the agent is to be told, and when. */
  readonly later?: readonly LaterOutput[];
  /** A call that waits for people. */
  readonly held?: HeldCallOutput;
  /** Of `model-unavailable`: the HTTP status, null without an answer, and the time that the model named. */
  readonly modelStatus?: number | null;
  readonly retryAfterMs?: number;
}
