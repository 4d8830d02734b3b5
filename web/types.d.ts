// The shapes of the HTTP API, as the page reads them (`/openapi.json` is the source), and of the page's own records.

export type TurnStatus = 'queued' | 'running' | 'committed' | 'delivered' | 'undeliverable';

export interface Reply {
  text: string;
  outcome: 'ok' | 'stopped' | 'failed';
  code?: string;
  demo?: boolean;
  usage?: { input_tokens: number; output_tokens: number };
  asked?: Question[];
  answered?: Question[];
  files?: TurnFile[];
}

/** A file of a message or a reply; `url` is null where it cannot be had. */
export interface TurnFile {
  file: string | null;
  name: string;
  media_type: string;
  bytes: number | null;
  caption?: string;
  url: string | null;
}

/** Uploaded for a message to come. */
export interface UploadedFile {
  file: string;
  name: string;
  media_type: string;
}

export interface Folder {
  generation: number | null;
  path: string;
  entries: { name: string; kind: 'file' | 'folder' | 'link'; bytes: number | null; modified_at: string }[];
  cursor: string | null;
}

export interface Schedule {
  id: string;
  name: string;
  text: string;
  status: string;
  cron: string | null;
  time_zone: string;
  next_due_at: string | null;
  runs: { due_at: string; outcome: string; turn_id: string | null; times: number }[];
}

export interface Schedules {
  time_zone: string;
  schedules: Schedule[];
}

export interface Permission {
  id: string;
  tool: string;
  title: string;
  covers: 'call' | 'tool';
  allowed_by: string | null;
  allowed_at: string;
}

export interface Timeline {
  total_ms: number;
  first_text_ms: number | null;
  spans: { kind: string; name?: string; from_ms: number; to_ms: number }[];
}

export interface Answer {
  turn_id: string;
  reply: Reply;
}

export interface Question {
  id: string;
  kind: 'approval' | 'choice';
  title: string;
  covers: 'call' | 'tool';
  options: { label: string; description: string }[];
  multiple: boolean;
  answer: { decision: string } | null;
}

export interface Decision {
  decision: 'once' | 'chat' | 'deny' | 'reply';
  text?: string;
}

export interface Turn {
  turn_id: string;
  chat: string;
  kind: 'message' | 'answer' | 'steer' | 'new' | 'undo' | 'redo' | 'fork' | 'command' | 'wake';
  text: string;
  files?: TurnFile[];
  status: TurnStatus;
  stop_requested: boolean;
  session_id: string | null;
  generation: number | null;
  reply: Reply | null;
  received_at: string;
  updated_at: string;
}

export interface ChatSummary {
  chat: string;
  channel: string;
  title: string;
  session_id: string | null;
  created_at: string;
  updated_at: string;
  expires_at: string;
}

export interface ChatList {
  chats: ChatSummary[];
  cursor: string | null;
}

export interface ChatPage {
  chat: string;
  session_id: string | null;
  generation: number | null;
  turns: Turn[];
  cursor: string | null;
  expires_at?: string | null;
  away_since?: string | null;
  undoable?: { turn_id: string; text: string }[];
}

/** One block of a Markdown text; `html` is null where it has to be shown as the text it is. */
export interface MarkdownBlock {
  raw: string;
  html: string | null;
}

export interface Info {
  name: string;
  version: string;
  model: { demo: boolean; name: string };
  /** What people should know, e.g. that there is no sandbox. */
  notice?: string;
}

export interface ToolEvent {
  id: string;
  name: string;
  summary: string;
  state: 'started' | 'done' | 'failed';
  /** JSON text, cut to a bounded size. */
  input?: string;
  result?: string;
  /** Hunks of a unified diff. */
  diff?: string;
}

/** `waiting` says for what (`text`, for people), and when the next try is; words this page does not know may come. */
export interface StatusEvent {
  status: string;
  text?: string;
  next_try_at?: string | null;
}

export type TurnEvent =
  | { type: 'status'; data: StatusEvent }
  | { type: 'text'; data: { text: string } }
  | { type: 'tool'; data: ToolEvent }
  | { type: 'notice'; data: { text: string } }
  | { type: 'final'; data: { turn_id: string; session_id: string; generation: number; reply: Reply } };

/** A message the page has taken from the person and the server has not yet acknowledged. */
export interface OutboxEntry {
  key: string;
  chat: string;
  kind: 'message' | 'answer' | 'new';
  text: string;
  composedAt: string;
  /** Of a message: what was uploaded under its key. */
  files?: UploadedFile[];
  /** Of the kind `answer`. */
  answer?: Decision & { question: string };
  /** Why the server will not take it; it waits for its author then. */
  refused?: string;
}

export interface Accepted {
  turn_id: string;
  status?: TurnStatus;
}
