// What the channel contract asks of a platform's fake: calls as the platform makes them, what people see in one chat, and
// faults of the calls that the channel makes.
import type { WebhookHandler } from '../../src/channels/descriptor.ts';
import type { TurnRequest } from '../../src/core/messages.ts';
import type { Channel } from '../../src/core/ports.ts';
import type { Contract } from './contract.ts';

/** One call of the platform, whole: sent twice it is the same call made again. */
export interface Post {
  readonly method?: 'GET' | 'POST';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** A payload as the platform documents it. */
export interface Documented {
  readonly name: string;
  readonly post: Post;
  /** The turn's kind and text; null where it is none. */
  readonly becomes: { readonly kind: TurnRequest['kind']; readonly text: string } | null;
}

/**
 * `refused`: too many calls, to be made again after `retryAfterMs`. `lost-call`: no connection. `lost-answer`: carried out,
 * and no answer. `server-error`: the platform's own fault, before anything was done.
 */
export type ChannelFault = 'refused' | 'lost-call' | 'lost-answer' | 'server-error';

export interface ChannelFixture {
  /** As it is in the list of channels. */
  readonly name: string;
  readonly channel: Channel;
  /** The inlet, as a wiring opens it; `accept` is where its turns go. */
  open(accept: (request: TurnRequest) => Promise<void>): Promise<WebhookHandler>;
  /** The allowed person, or a stranger, writes in the fixture's one chat; what the platform posts because of it. */
  written(text: string, by?: 'stranger'): Post;
  /** Any body, as the platform would post it. */
  signed(body: string): Post;
  /** The same call by somebody who knows less: nothing shown, something guessed, another body than was signed. */
  forged(post: Post): readonly { readonly what: string; readonly post: Post }[];
  /** A call that was signed so long ago; absent where signatures know no time. */
  stale?(text: string): Post;
  /** One of each kind that the platform sends. */
  readonly documented: readonly Documented[];
  /** What the bot shows in the chat now, oldest first. */
  shown(): readonly string[];
  /** What a message says that has its text yet to come. */
  readonly placeholders: readonly string[];
  /** Calls that the channel made so far. */
  readonly calls: number;
  /** Strikes `times` calls (default 1) after `after` more went well. */
  fail(fault: ChannelFault, options?: { readonly after?: number; readonly times?: number }): void;
  /** How long a refused call is to wait. */
  readonly refusedForMs: number;
  /** Strikes that are still to come; those that are left are forgotten. */
  faultsLeft(): number;
  /** The bot is thrown out of the chat. */
  leave(): void;
  /** Lets time pass for the channel. */
  advance(ms: number): Promise<void>;
  /** Buttons below the bot's messages, as people read them; absent where there are none. */
  buttons?(): readonly string[];
  /** What the platform posts when somebody presses the button with that label. */
  pressed?(label: string, by?: 'stranger'): Post;
  /** Where people can send files and get some; absent where the channel says that it has none. */
  readonly files?: {
    /** The allowed person sends one with a text; what the platform posts because of it. */
    sent(name: string, mediaType: string, bytes: Buffer, text: string): Post;
    /** Those that the bot shows in the chat now, oldest first. */
    shown(): readonly { readonly name: string; readonly bytes: Buffer }[];
  };
  close(): Promise<void>;
}

export type ChannelContract = Contract<ChannelFixture>;
