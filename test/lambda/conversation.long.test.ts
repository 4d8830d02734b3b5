// The same conversation on every channel of an installation on AWS (stand-ins): it shows what a local system does.
import { expect, test } from 'vitest';
import { playConversation } from '../../testing/channels/conversation.ts';
import { failuresOf, transcriptOf } from '../../testing/channels/report.ts';

test('every channel shows what it says it can, and the transcript in docs is what happened', async (context) => {
  const results = await playConversation('aws');
  if ('unavailable' in results) {
    console.warn(`Skipped: ${results.unavailable}`);
    return context.skip(results.unavailable);
  }
  expect(failuresOf(results)).toEqual([]);
  await expect(transcriptOf(results)).toMatchFileSnapshot('../../docs/channels-transcript.md');
});
