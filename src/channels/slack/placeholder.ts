// Sends a message that says nothing yet and has its `ts` recorded before anyone may write into it. If recording fails (a
// lost lease, a busy store) the message is taken back: at worst the record then names a message that is gone, and
// delivery replaces it.
import type { SlackApi } from './api.ts';
import type { SlackReplyTarget } from './reply-target.ts';

/** What a message says until its text is in place. */
export const WAITING = '…';

export async function sendPlaceholder(
  api: SlackApi,
  target: SlackReplyTarget,
  text: string,
  record: (ts: string) => Promise<void>,
): Promise<string> {
  const ts = await api.send(target, { text, blocks: [] });
  try {
    await record(ts);
  } catch (error) {
    await api.remove(target.channel, ts).catch(() => undefined);
    throw error;
  }
  return ts;
}
