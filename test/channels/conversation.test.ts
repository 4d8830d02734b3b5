// The same conversation on every channel of a local system; docs/channels-transcript.md is what the chats look like
// (`npm run channels` writes it anew).
import { expect, test } from 'vitest';
import { type ChannelResult, playConversation } from '../../testing/channels/conversation.ts';
import { transcriptOf } from '../../testing/channels/report.ts';

test('every channel shows what it says it can, and the transcript in docs is what happened', async () => {
  const results = (await playConversation('local')) as readonly ChannelResult[];
  const failed = results.flatMap(({ channel, cells }) =>
    cells.flatMap(({ failed: isFailed, why }) => (isFailed ? [`${channel}: ${why}`] : [])),
  );
  expect(failed).toEqual([]);
  await expect(transcriptOf(results)).toMatchFileSnapshot('../../docs/channels-transcript.md');
});
