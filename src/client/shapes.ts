// What the HTTP API says, as types (`openapi.json` is the source). Fields that are not here may come, too.

export type TurnStatus = 'queued' | 'running' | 'committed' | 'delivered' | 'undeliverable';

export interface Question {
  readonly id: string;
  /** `approval`: may this call run? `choice`: the agent wants to know something. */
  readonly kind: 'approval' | 'choice';
  readonly title: string;
  readonly detail: string;
  readonly format: string;
  readonly covers: 'call' | 'tool';
  readonly options: readonly { readonly label: string; readonly description: string }[];
  readonly multiple: boolean;
  readonly answer: {
    readonly decision: string;
    readonly text: string | null;
    readonly by: string | null;
    readonly at: string;
  } | null;
}

export interface Reply {
  /** Markdown. */
  readonly text: string;
  readonly outcome: 'ok' | 'stopped' | 'failed';
  readonly code?: string;
  readonly demo?: boolean;
  readonly usage?: Readonly<Record<string, number>>;
  /** What people have to decide before the agent goes on. */
  readonly asked?: readonly Question[];
  readonly answered?: readonly Question[];
}

export interface Answer {
  readonly turn_id: string;
  readonly session_id: string | null;
  readonly generation: number | null;
  readonly reply: Reply;
}

export interface Turn extends Omit<Answer, 'reply'> {
  readonly chat: string;
  readonly kind: string;
  readonly text: string;
  readonly status: TurnStatus;
  readonly stop_requested: boolean;
  readonly received_at: string;
  readonly updated_at: string;
  /** null until it has ended. */
  readonly reply: Reply | null;
}

export interface ChatSummary {
  readonly chat: string;
  readonly title: string;
  readonly created_at: string;
  readonly updated_at: string;
  readonly expires_at: string;
}

export interface ChatList {
  readonly chats: readonly ChatSummary[];
  /** Gives the next page; null at the end. */
  readonly cursor: string | null;
}

export interface Chat {
  readonly chat: string;
  readonly session_id: string | null;
  readonly generation: number | null;
  readonly created_at: string | null;
  readonly updated_at: string | null;
  readonly expires_at: string | null;
  /** In the order they arrived. */
  readonly turns: readonly Turn[];
  /** Gives the turns before these; null at the beginning. */
  readonly cursor: string | null;
}

export interface OpenQuestions {
  readonly turn_id: string | null;
  readonly asked_at: string | null;
  readonly expires_at: string | null;
  readonly questions: readonly Question[];
}

export type Decision =
  | { readonly decision: 'once' | 'chat' }
  | { readonly decision: 'deny'; readonly text?: string }
  | { readonly decision: 'reply'; readonly text: string };

/** After `retrying` the turn starts over: throw away the text shown so far. `final` is the last one. */
export type ClientEvent =
  | {
      readonly type: 'status';
      readonly status: 'queued' | 'running' | 'retrying' | 'stopping' | 'waiting';
      /** With `waiting`: what is waited for, in words for the person. */
      readonly text?: string;
      readonly next_try_at?: string | null;
    }
  | { readonly type: 'text'; readonly text: string }
  | {
      readonly type: 'tool';
      readonly id: string;
      readonly name: string;
      readonly summary: string;
      readonly state: 'started' | 'done' | 'failed';
      readonly input?: string;
      readonly result?: string;
      readonly diff?: string;
    }
  | { readonly type: 'asked'; readonly questions: readonly Question[] }
  | ({ readonly type: 'final' } & Answer);

/** A turn has exactly one, the first that holds: it failed; it waits for people; a schedule began it; none of these. */
export type WebhookEvent = 'turn.failed' | 'turn.asked' | 'turn.scheduled' | 'turn.final';

export interface NewWebhook {
  readonly url: string;
  /** @default all */
  readonly events?: readonly WebhookEvent[];
  readonly description?: string;
}

export interface Webhook {
  readonly id: string;
  readonly url: string;
  readonly description: string;
  readonly events: readonly WebhookEvent[];
  readonly created_at: string;
}

export interface Delivery {
  /** The `webhook-id` of the message. */
  readonly id: string;
  readonly turn_id: string;
  readonly event: WebhookEvent;
  readonly status: 'pending' | 'delivered' | 'failed' | 'dropped';
  readonly attempts: number;
  readonly replays: number;
  readonly next_try_at: string | null;
  readonly created_at: string;
  readonly tries: readonly {
    readonly at: string;
    readonly took_ms: number;
    /** null: no answer. */
    readonly status: number | null;
    /** null: it was taken. */
    readonly fault: string | null;
  }[];
}

export interface Deliveries {
  readonly deliveries: readonly Delivery[];
  readonly cursor: string | null;
}

/** What a webhook is sent. */
export interface WebhookMessage {
  readonly type: WebhookEvent;
  readonly timestamp: string;
  readonly data: Answer & {
    readonly chat: string;
    /** The person whose chat it is; null for a chat of programs. */
    readonly user: string | null;
    readonly kind: string;
    readonly received_at: string;
  };
}
