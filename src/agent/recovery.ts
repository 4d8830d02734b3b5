// Recovery from a request that the model refuses because of the conversation's content. The refused blocks are replaced
// by notes in the transcript and the turn tries again. If that does not help, the transcript is restored.
import type { Log } from '../core/log.ts';
import type { TurnEvent } from '../core/ports/channel.ts';
import { cutText } from '../text/cut-text.ts';
import { writeConversationNote } from './conversation-note.ts';
import type { Notices } from './notices.ts';
import { type Refusal, refusalOf } from './refusal.ts';
import { type Extent, type TakenOut, takeOut } from './take-out.ts';
import { readTranscript, replaceTranscript } from './transcript-file.ts';
import type { ObservedTurn } from './turn-watcher.ts';

/** The most attempts within one turn. */
const MAX_TRIES = 4;
const MAX_NAMES = 5;

/** What the model is told when it goes on. */
export const GO_ON =
  'The last request to you was refused. What it could not hold was taken out of our conversation, and a note stands in ' +
  'its place. Go on with my last message, and do not repeat what is already done.';

export interface RecoveryOptions {
  readonly transcript: string;
  readonly config: string;
  readonly workspace: string;
  readonly notices: Notices;
  readonly progress: (event: TurnEvent) => void;
  readonly log: Log;
  readonly turn: string;
}

export interface Recovery {
  /** After a run of the CLI. True: the transcript is another one now, and the turn may go on. */
  mend(watched: ObservedTurn): Promise<boolean>;
}

export function createRecovery(options: RecoveryOptions): Recovery {
  const { transcript, notices } = options;
  let tries = 0;
  /** What was changed last, while nobody knows yet whether it helps. */
  let open: { readonly before: string; readonly answers: number; readonly sentence: string } | null = null;
  let extents: readonly Extent[] = [];

  async function takeBack(): Promise<void> {
    if (open) await replace(options, open.before);
    open = null;
  }

  return {
    async mend(watched) {
      const refusal = refusalOf(watched);
      if (open && (!refusal || watched.answers > open.answers)) {
        notices.add(open.sentence);
        open = null;
        extents = [];
      } else if (!open) {
        extents = [];
      }
      if (!refusal) return false;
      await takeBack();
      const text = await readTranscript(transcript);
      const all: readonly Extent[] =
        refusal.kind === 'too-long' ? ['unanswered', 'everything-long'] : ['unanswered'];
      for (const extent of all.filter((one) => !extents.includes(one))) {
        if (text === null || tries >= MAX_TRIES) return false;
        extents = [...extents, extent];
        const taken = takeOut(text, {
          extent,
          keep: refusal.kind === 'too-long',
          reason: reasonOf(refusal),
          workspace: options.workspace,
        });
        if (!taken) continue;
        tries += 1;
        await replace(options, taken.text);
        open = { before: text, answers: watched.answers, sentence: sentenceOf(refusal, taken) };
        options.log('warn', 'conversation-mended', {
          turn: options.turn,
          extent,
          blocks: taken.names.length,
        });
        const call = { type: 'tool', id: `mend-${tries}`, name: 'Mend', summary: open.sentence } as const;
        options.progress({ ...call, state: 'started' });
        options.progress({ ...call, state: 'done' });
        return true;
      }
      return false;
    },
  };
}

/** `/drop`: takes out what the model has not answered. Returns the words for the person. */
export async function dropUnanswered(
  options: Omit<RecoveryOptions, 'notices' | 'progress'>,
): Promise<string> {
  const text = await readTranscript(options.transcript);
  const reason = 'the person asked for it';
  const { workspace } = options;
  const taken = takeOut(text ?? '', {
    extent: 'unanswered',
    keep: false,
    withPrompt: true,
    reason,
    workspace,
  });
  if (!taken) return 'There is nothing to take out: I have answered all that this conversation holds.';
  await replace(options, taken.text);
  options.log('warn', 'conversation-mended', {
    turn: options.turn,
    extent: 'drop',
    blocks: taken.names.length,
  });
  return `Taken out of this conversation: ${listOf(taken.names)}. You can go on writing.`;
}

/** Writes the note first: a state that is saved in between must not look like a conversation that lost its end. */
async function replace(
  { config, transcript }: { config: string; transcript: string },
  text: string,
): Promise<void> {
  await writeConversationNote(config, { begun: true, bytes: 0 });
  await replaceTranscript(transcript, text);
  await writeConversationNote(config, { begun: true, bytes: Buffer.byteLength(text) });
}

/** The note that the model reads in place of a removed block. */
function reasonOf({ kind, message }: Refusal): string {
  return kind === 'too-long'
    ? 'with it the conversation was longer than the model can read; ask for less at a time'
    : `the model's server refused it (${cutText(message, 200, '…')})`;
}

function sentenceOf({ kind }: Refusal, { names }: TakenOut): string {
  return kind === 'too-long'
    ? `The conversation was longer than the model can read. Shortened in it: ${listOf(names)}.`
    : `The model's server refused something in this conversation. Taken out of it: ${listOf(names)}.`;
}

function listOf(names: readonly string[]): string {
  const shown = names.slice(0, MAX_NAMES);
  return names.length > shown.length
    ? `${shown.join(', ')} and ${names.length - shown.length} more`
    : shown.join(', ');
}
