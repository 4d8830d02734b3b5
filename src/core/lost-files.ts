// What there is of the files of a message: those for the agent, and those that cannot be had, which the agent and the person
// are told of.
import { MAX_FILE_BYTES, sizeText } from './attachments.ts';
import { Invalid } from './errors.ts';
import type { TurnRequest } from './messages.ts';
import type { GivenFile } from './ports.ts';
import type { TurnRecord } from './records.ts';

export interface LostFile {
  readonly name: string;
  /** For the person. */
  readonly reason: string;
}

export interface AttachedFiles {
  readonly files: readonly GivenFile[];
  readonly lost: readonly LostFile[];
  /** Those of `files` in which somebody speaks. */
  readonly voice: readonly GivenFile[];
}

/** Below the reply, for the person. */
export function withLostFiles(text: string, lost: readonly LostFile[]): string {
  if (lost.length === 0) return text;
  const lines = lost.map(({ name, reason }) => `- ${name.replaceAll(/([\\`*_[\]<>])/g, '\\$1')}: ${reason}`);
  return `${text.trimEnd()}\n\n---\n_I did not get everything that you sent:_\n${lines.join('\n')}`.trimStart();
}

/** What a person is told about a file that is too large to be had. */
export function tooLargeText(limitBytes: number, bytes?: number | null): string {
  const size = bytes ? `It has ${sizeText(bytes)}, and` : 'It is too large:';
  return `${size} I can take files up to ${sizeText(limitBytes)}. Send a smaller one, or a link to it.`;
}

export function requireFileSize(bytes: number, limitBytes = MAX_FILE_BYTES): void {
  if (bytes > limitBytes) throw new Invalid('file-too-large', tooLargeText(limitBytes, bytes));
}

/** True when there is nothing to give to the agent: the person is only told. */
export function isNothingLeft(request: TurnRequest, { files, lost }: AttachedFiles): boolean {
  return request.text.trim() === '' && files.length === 0 && lost.length > 0;
}

/** What is lost is told to the agent with the message. */
export function withoutLost(request: TurnRequest, { lost }: AttachedFiles): TurnRequest {
  return lost.length === 0 ? request : { ...request, context: { ...request.context, lost: [...lost] } };
}

/** What a message is to people who only read a line of it. */
export function shownText({
  text,
  attachments = [],
}: Pick<TurnRequest, 'text'> & Pick<TurnRecord, 'attachments'>): string {
  return text.trim() === '' ? attachments.map(({ name }) => name).join(', ') : text;
}
