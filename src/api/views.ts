// Records as the API shows them to clients: snake case, ISO times, and no internal fields.
import { type Attachment, type FileObject, fileIdOf, type StoredFile } from '../core/attachments.ts';
import { conversationOf, type SessionId, type TurnId } from '../core/ids.ts';
import type { TurnMark } from '../core/ports.ts';
import type { Question } from '../core/question.ts';
import type { Reply, SessionMapping, TurnRecord } from '../core/records.ts';

export interface ReplyView {
  readonly text: string;
  readonly outcome: Reply['outcome'];
  readonly code?: string;
  readonly demo?: boolean;
  readonly usage?: Readonly<Record<string, number>>;
  readonly asked?: readonly QuestionView[];
  readonly answered?: readonly QuestionView[];
  readonly files?: readonly FileView[];
}

/** A file of a message or a reply; `url` is a path of this API. */
export interface FileView {
  readonly file: string | null;
  readonly name: string;
  readonly media_type: string;
  readonly bytes: number | null;
  readonly caption?: string;
  /** null for one that is not kept here. */
  readonly url: string | null;
}

export interface QuestionView {
  readonly id: string;
  readonly kind: 'approval' | 'choice';
  readonly title: string;
  readonly detail: string;
  readonly format: Question['format'];
  readonly covers: Question['covers'];
  readonly options: readonly { readonly label: string; readonly description: string }[];
  readonly multiple: boolean;
  readonly answer: {
    readonly decision: string;
    readonly text: string | null;
    readonly by: string | null;
    readonly at: string;
  } | null;
}

export interface AnswerView {
  readonly turn_id: TurnId;
  readonly session_id: SessionId | null;
  readonly generation: number | null;
  readonly reply: ReplyView | null;
}

export interface TurnView extends AnswerView {
  readonly chat: string;
  readonly kind: TurnRecord['kind'];
  readonly text: string;
  /** What came with the message; absent where nothing did. */
  readonly files?: readonly FileView[];
  readonly status: TurnRecord['status'];
  readonly stop_requested: boolean;
  readonly received_at: string;
  readonly updated_at: string;
}

export interface ChatView {
  readonly chat: string;
  readonly channel: string;
  readonly title: string;
  readonly session_id: SessionId;
  readonly created_at: string;
  readonly updated_at: string;
  readonly expires_at: string;
}

/** A question of the agent's own is its `title`; a call has what it would run in `detail`. */
export function questionView(question: Question): QuestionView {
  const { id, title, detail, format, covers, choice, answer } = question;
  return {
    id,
    kind: choice ? 'choice' : 'approval',
    title: choice?.question ?? title,
    detail: choice ? '' : detail,
    format,
    covers,
    options: choice?.options ?? [],
    multiple: choice?.multiple ?? false,
    answer: answer && {
      decision: answer.decision,
      text: answer.text,
      by: answer.name,
      at: new Date(answer.atMs).toISOString(),
    },
  };
}

/** An object's name begins with its turn's id, also where a turn's reply brings what another one sent. */
function fileView({ name, mediaType, bytes, caption, object }: StoredFile): FileView {
  return {
    ...{ file: fileIdOf(object), name, media_type: mediaType, bytes },
    ...(caption !== undefined && { caption }),
    url: filePath(object),
  };
}

export function filePath(object: FileObject): string {
  return `/v1/turns/${object.split('/', 1)[0]}/files/${fileIdOf(object)}`;
}

function attachedView({ name, mediaType, bytes, at }: Attachment): FileView {
  if ('object' in at) return fileView({ name, mediaType, bytes: bytes ?? 0, object: at.object });
  return { file: null, name, media_type: mediaType, bytes, url: null };
}

export function replyView(reply: Reply): ReplyView {
  const { text, outcome, code, demo, usage, asked, answered, files } = reply;
  return {
    text,
    outcome,
    ...(code !== undefined && { code }),
    ...(demo && { demo }),
    ...(asked && { asked: asked.map(questionView) }),
    ...(answered && { answered: answered.map(questionView) }),
    ...(files && { files: files.map(fileView) }),
    ...(usage && {
      usage: {
        input_tokens: usage.inputTokens,
        output_tokens: usage.outputTokens,
        cache_read_tokens: usage.cacheReadTokens,
        cache_write_tokens: usage.cacheWriteTokens,
        cost_usd: usage.costUsd,
      },
    }),
  };
}

export function answerView(turn: TurnRecord): AnswerView {
  return {
    turn_id: turn.turnId,
    session_id: turn.sessionId,
    generation: turn.generation,
    reply: turn.reply && replyView(turn.reply),
  };
}

export function turnView(turn: TurnRecord): TurnView {
  return {
    ...answerView(turn),
    chat: conversationOf(turn.sessionKey).chat,
    kind: turn.kind,
    text: turn.text,
    ...(turn.attachments && { files: turn.attachments.map(attachedView) }),
    status: turn.status,
    stop_requested: turn.stopRequested,
    received_at: new Date(turn.receivedAtMs).toISOString(),
    updated_at: new Date(turn.updatedAtMs).toISOString(),
  };
}

/** A turn that can be undone or brought back. */
export function markView({ id, text }: TurnMark) {
  return { turn_id: id, text };
}

export function chatView(mapping: SessionMapping, title: string): ChatView {
  const { chat, channel } = conversationOf(mapping.session_key);
  return {
    chat,
    channel,
    title,
    session_id: mapping.session_id,
    created_at: mapping.created_at,
    updated_at: mapping.updated_at,
    expires_at: new Date(mapping.ttl * 1000).toISOString(),
  };
}
