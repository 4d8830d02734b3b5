// What the agent is told when its work was cut off; the demo model knows it by these words.

export const CONTINUATION =
  'Your work on the message of mine that begins below was cut off. Go on where you were and do not repeat what is already done.';
