// What a webhook is sent: made from the turn as it stands in the ledger, so it is the same at every try and at every replay.
import { personOf } from '../api/chat-name.ts';
import { answerView } from '../api/views.ts';
import { conversationOf } from '../core/ids.ts';
import type { TurnRecord } from '../core/records.ts';
import { toldTurn, type WebhookEvent } from '../core/webhooks.ts';

/** JSON text. */
export function messageOf(event: WebhookEvent, turn: TurnRecord): string {
  const conversation = conversationOf(turn.sessionKey);
  return JSON.stringify({
    type: event,
    timestamp: new Date(toldTurn(turn).endedAtMs).toISOString(),
    data: {
      ...answerView(turn),
      chat: conversation.chat,
      user: personOf(conversation),
      kind: turn.kind,
      received_at: new Date(turn.receivedAtMs).toISOString(),
    },
  });
}
