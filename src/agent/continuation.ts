// What the agent is given as this turn's message. It carries an id made from the turn's, so that a turn that goes on
// after a cut, perhaps on another machine, knows whether the conversation holds its message already: then it is only told
// to go on, and no message ever stands in a conversation twice.
import { createHash, type UUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { DecidedCall } from '../core/asked-call.ts';
import type { TurnId } from '../core/ids.ts';
import { contextBlock } from '../core/message-context.ts';
import type { AgentRun } from '../core/ports/execution.ts';
import { cutText } from '../text/cut-text.ts';
import { CONTINUATION } from './continuation-text.ts';
import { type FilePrompt, filePromptOf } from './file-prompt.ts';

/** Enough to tell which message is meant: others may have been answered meanwhile. */
const QUOTED_CHARS = 200;

export interface Prompt {
  readonly text: string;
  /** Of the entry that holds the person's message; none when only asked to go on. */
  readonly uuid?: UUID;
  /** What the channel tells about the message; it stands before the text. */
  readonly context?: string;
  /** What is told of the files that came along, and the pictures among them. */
  readonly files?: FilePrompt;
}

export async function promptOf(
  {
    continuing,
    request,
    files = [],
    directory,
  }: Pick<AgentRun, 'continuing' | 'request' | 'files' | 'directory'>,
  transcript: string,
): Promise<Prompt> {
  const uuid = messageUuid(request.turnId);
  // What was told to another turn while it ran may stand there, too.
  const maybeSaid = continuing || request.kind === 'steer';
  if (!maybeSaid || !(await holds(transcript, uuid))) {
    const context = contextBlock(request.context);
    const prompt = await filePromptOf(directory.workspace, files);
    return {
      text: request.text,
      uuid,
      ...(context === null ? {} : { context }),
      ...(prompt && { files: prompt }),
    };
  }
  const beginning = cutText(request.text, QUOTED_CHARS);
  return { text: `${CONTINUATION}\n\n${beginning}` };
}

/** For an answer to calls that the agent has to make again, or that an earlier part of its turn has made already. */
export function answeredPrompt(calls: readonly DecidedCall[], continuing: boolean): Prompt {
  if (continuing)
    return { text: 'Your work was cut off. Go on where you were and do not repeat what is already done.' };
  const lines = calls.map(({ title, verdict, reason, answers }) => {
    if (answers) {
      return Object.entries(answers)
        .map(([question, answer]) => `- ${question} ${answer}`)
        .join('\n');
    }
    return `- ${title}: ${verdict === 'allow' ? 'allowed; make exactly this call again' : (reason ?? 'not allowed')}`;
  });
  return { text: `The answer to what you asked the person:\n${lines.join('\n')}` };
}

/** The same on every machine; shaped as a UUID of version 8 (RFC 9562: made by the application's own rule). */
export function messageUuid(turnId: TurnId): UUID {
  const hex = createHash('sha256').update(`message of ${turnId}`).digest('hex');
  return hex.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*$/, '$1-$2-8$3-a$4-$5') as UUID;
}

/** Looks for the id without reading the lines: a transcript may be long. */
export async function holds(transcript: string, uuid: UUID): Promise<boolean> {
  let before = '';
  try {
    for await (const piece of createReadStream(transcript, 'latin1')) {
      const text = before + piece;
      if (text.includes(uuid)) return true;
      before = text.slice(-uuid.length);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  return false;
}
