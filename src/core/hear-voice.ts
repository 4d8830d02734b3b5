// Voice messages as text, before the agent begins. What was heard is kept beside the recording, so a turn that begins again
// hears it once. Without a transcriber, or where one fails, the agent has the recording as a file, and both it and the person
// are told.
import { cutText } from '../text/cut-text.ts';
import { fileKey, fileObjectOf, sizeText } from './attachments.ts';
import { Gone, Invalid, isHybridError } from './errors.ts';
import { tenantOf } from './ids.ts';
import { errorFields } from './log.ts';
import type { AttachedFiles, LostFile } from './lost-files.ts';
import type { TurnRequest } from './messages.ts';
import type { GivenFile } from './ports.ts';
import type { RunningTurn } from './running-turn.ts';
import { MAX_TEXT_LENGTH } from './text-length.ts';

interface Running {
  readonly deps: Pick<RunningTurn['deps'], 'objects' | 'transcriber' | 'log'>;
}

export interface HeardVoice {
  readonly heard: readonly { readonly name: string; readonly text: string }[];
  readonly unheard: readonly LostFile[];
}

const NO_TRANSCRIBER = 'I cannot listen to voice messages here. I have it as a file only; please write it.';
const NOT_NOW =
  'I could not listen to it now. I have it as a file only; please write it, or send it again later.';

export async function hearVoice(
  running: Running,
  request: TurnRequest,
  { voice }: Pick<AttachedFiles, 'voice'>,
): Promise<HeardVoice> {
  const heard: { name: string; text: string }[] = [];
  const unheard: LostFile[] = [];
  for (const [index, file] of voice.entries()) {
    try {
      heard.push({ name: file.name, text: await textOf(running, request, file, index) });
    } catch (error) {
      if (!isHybridError(error)) throw error;
      running.deps.log('warn', 'voice-not-heard', { turn: request.turnId, ...errorFields(error) });
      unheard.push({ name: file.name, reason: error instanceof Invalid ? error.message : NOT_NOW });
    }
  }
  return { heard, unheard };
}

async function textOf(
  { deps }: Running,
  { turnId, sessionKey }: TurnRequest,
  file: GivenFile,
  index: number,
): Promise<string> {
  const { transcriber, objects } = deps;
  if (!transcriber || !objects) throw new Invalid('no-transcriber', NO_TRANSCRIBER);
  const key = fileKey(tenantOf(sessionKey), fileObjectOf(turnId, `heard-${index}`));
  const before = await objects.get(key).catch((error: unknown) => {
    if (error instanceof Gone) return null;
    throw error;
  });
  if (before) return new TextDecoder().decode(before);
  if (file.bytes > transcriber.maxBytes) {
    const most = sizeText(transcriber.maxBytes);
    throw new Invalid(
      'recording-too-large',
      `It is too long for me to listen to: I can take recordings of up to ${most}.`,
    );
  }
  const text = cutText((await transcriber.transcribe(file)).trim().toWellFormed(), MAX_TEXT_LENGTH, '…');
  // Of two attempts the one that was kept counts, so that both tell the agent the same.
  const stored = await objects.put(key, new TextEncoder().encode(text));
  return stored === 'created' ? text : new TextDecoder().decode(await objects.get(key));
}

/** What was said is the message where nothing was written; else it stands beside what was. */
export function withHeard(request: TurnRequest, { heard, unheard }: HeardVoice): TurnRequest {
  if (heard.length === 0 && unheard.length === 0) return request;
  const isSpoken = request.text.trim() === '' && heard.some(({ text }) => text !== '');
  const said = heard.map(({ text }) => text).filter((text) => text !== '');
  return {
    ...request,
    ...(isSpoken && { text: cutText(said.join('\n\n'), MAX_TEXT_LENGTH, '…') }),
    context: {
      ...request.context,
      ...(heard.length > 0 && {
        voice: heard.map(({ name, text }) => ({ name, ...(isSpoken ? {} : { text }) })),
      }),
      ...(unheard.length > 0 && { unheard: unheard.map(({ name }) => name) }),
    },
  };
}

/** Below the reply, for the person. */
export function withUnheard(text: string, unheard: readonly LostFile[]): string {
  if (unheard.length === 0) return text;
  const lines = unheard.map(
    ({ name, reason }) => `- ${name.replaceAll(/([\\`*_[\]<>])/g, '\\$1')}: ${reason}`,
  );
  return `${text.trimEnd()}\n\n---\n${lines.join('\n')}`.trimStart();
}
