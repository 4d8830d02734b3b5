// The shapes of the HTTP API, as the page reads them (`/openapi.json` is the source), and of the page's own records.

export type TurnStatus = 'queued' | 'running' | 'committed' | 'delivered' | 'undeliverable';

export interface Reply {
  text: string;
  outcome: 'ok' | 'stopped' | 'failed';
  code?: string;
  demo?: boolean;
  usage?: { input_tokens: number; output_tokens: number };
}

export interface Turn {
  turn_id: string;
  chat: string;
  kind: 'message' | 'new' | 'continue';
  text: string;
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
}

export interface Info {
  name: string;
  version: string;
  model: { demo: boolean; name: string };
}

export interface ToolEvent {
  id: string;
  name: string;
  summary: string;
  state: 'started' | 'done' | 'failed';
}

export type TurnEvent =
  | { type: 'status'; data: { status: 'queued' | 'running' | 'retrying' | 'stopping' } }
  | {
      type: 'status';
      data: { status: 'waiting'; waiting_for: string; next_try_at: string | null; text: string };
    }
  | { type: 'text'; data: { text: string } }
  | { type: 'tool'; data: ToolEvent }
  | { type: 'final'; data: { turn_id: string; session_id: string; generation: number; reply: Reply } };

/** A message the page has taken from the person and the server has not yet acknowledged. */
export interface OutboxEntry {
  key: string;
  chat: string;
  kind: 'message' | 'new';
  text: string;
  composedAt: string;
}

export interface Accepted {
  turn_id: string;
  status?: TurnStatus;
}
