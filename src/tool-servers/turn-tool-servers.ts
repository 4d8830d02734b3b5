// What a turn may reach of tool servers, and the calls that it makes.
import type { Person, SessionId, Tenant, TurnId } from '../core/ids.ts';
import type { Answer, Call } from '../gateway/call.ts';
import type { RemoteServer } from './remote-server.ts';
import type { SignInNote } from './sign-in/sign-in-link.ts';

/** What one turn may reach, and for whom. */
export interface ToolServersOfTurn {
  readonly tenant: Tenant;
  readonly sessionId: SessionId;
  readonly turnId: TurnId;
  readonly speaker: Person;
  /** As people call the speaker. */
  readonly speakerName: string;
  /** Those of its agent folder. */
  readonly servers: readonly RemoteServer[];
  /** The tools of its agent folder. */
  readonly tools: readonly string[];
  /** Fewer, where the tenant has fewer. */
  readonly narrowing?: { readonly allow: readonly string[] | null; readonly deny: readonly string[] };
  /** Hosts that the folder's `network` lists. */
  readonly allow: readonly string[];
}

/** The calls of one turn. */
export interface ToolServerCalls {
  answer(server: string, call: Call): Promise<Answer>;
  /** What the turn's reply is to end with: links to sign in, for its speaker. */
  notes(): Promise<readonly SignInNote[]>;
  /** Ends what is under way: nothing is answered any more. */
  close(): void;
}
