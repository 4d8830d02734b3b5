// A message whose body is no request: it is set aside as a dead letter and shown to a person, never run.
import { type Conversation, conversationOf, type SessionKey, type TurnId } from '../core/ids.ts';
import { MAX_TEXT_LENGTH, parseTurnRequest, type TurnRequest } from '../core/messages.ts';

/** null when the body is no request. */
export function readRequest(body: string): TurnRequest | null {
  try {
    return parseTurnRequest(JSON.parse(body));
  } catch {
    return null;
  }
}

/** What is known of an unreadable message: where it was sent, and the body itself as text. */
export function placeholderRequest(of: {
  readonly id: string;
  readonly sessionKey: string;
  readonly body: string;
  readonly atMs: number;
}): TurnRequest {
  const sessionKey = of.sessionKey as SessionKey;
  return {
    version: 1,
    turnId: of.id as TurnId,
    sessionKey,
    dedupeId: 'unreadable',
    conversation: conversationOrNone(sessionKey),
    kind: 'message',
    part: 0,
    text: of.body.slice(0, MAX_TEXT_LENGTH),
    sender: null,
    replyTarget: null,
    receivedAtMs: of.atMs,
    sessionHint: null,
  };
}

function conversationOrNone(key: SessionKey): Conversation {
  try {
    return conversationOf(key);
  } catch {
    return { tenant: '', channel: '', bot: '', chat: '', thread: null };
  }
}
