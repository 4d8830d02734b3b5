// What the agent is told when a turn that was cut off goes on, perhaps on another machine. The message it was
// answering follows, for the cut may have come before the conversation held it.

export const CONTINUATION =
  'Your work on my last message was cut off. Go on where you were and do not repeat what is already done.';
