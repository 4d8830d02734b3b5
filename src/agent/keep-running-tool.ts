// The tool by which the agent asks that what it left running be waited for. It only answers: whoever follows the turn sees the
// call (background.ts), waits, and tells the agent what became of it.
import { tool } from '@anthropic-ai/claude-agent-sdk';
import { z } from 'zod';
import type { AgentSettings } from './agent-folder-schema.ts';

export function keepRunningTool({ waitSec, longestMinutes }: AgentSettings['background']) {
  return tool(
    'keep_running',
    `A program that you start in the background (\`command > log 2>&1 &\`) is ended ${waitSec} s after your answer. Call this when it needs longer: it is then waited for, at most ${longestMinutes} minutes, and you are told what became of it and go on. Say in your answer what you wait for. For work that needs longer still, do it in parts, and schedule yourself to go on where you can.`,
    {
      minutes: z
        .number()
        .positive()
        .max(longestMinutes)
        .describe('How long to wait for it at most, in minutes.'),
    },
    async () => ({
      content: [
        {
          type: 'text' as const,
          text: 'It is waited for once you have answered, and you are told what became of it.',
        },
      ],
    }),
    { alwaysLoad: true },
  );
}
