// Hears what is said in a voice message. It works beside the worker, for the person's message and before the agent begins: what
// it needs (a program, an address with its key) no agent host ever has.

export interface Recording {
  readonly name: string;
  readonly mediaType: string;
  readonly bytes: number;
  read(): AsyncIterable<Uint8Array>;
}

export interface Transcriber {
  /** Larger recordings are not asked for. */
  readonly maxBytes: number;
  /**
   * What is said, as text; empty where nothing is. Invalid, with a sentence for the person, when this recording can never be
   * heard; Refused or Ambiguous when nothing can be heard now. Bounded in time.
   */
  transcribe(recording: Recording): Promise<string>;
}
