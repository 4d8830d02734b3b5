// The tool by which the agent gives a file to the person. It runs in the host's process, beside the CLI, and only copies:
// the file reaches the chat with the turn's answer, and not before.
import { tool } from '@anthropic-ai/claude-agent-sdk';
import { z } from 'zod';
import { MAX_CAPTION } from '../core/attachments.ts';
import type { ExecutionDirectory } from '../core/ports/execution.ts';
import { cutText } from '../text/cut-text.ts';
import { keepForPerson, NotSent } from './outgoing-files.ts';

const ABOUT =
  'Sends a file to the person in this chat, together with your answer: a picture is shown there, anything else can be opened or saved. Use it whenever the person should have a file that you made, found or changed; they cannot see your working directory. The file is copied now, so later changes to it are not sent. Call it once for each file.';

export function sendFileTool(directory: ExecutionDirectory) {
  return tool(
    'send_file',
    ABOUT,
    {
      path: z.string().min(1).max(4_096).describe('The file, absolute or relative to the working directory.'),
      caption: z.string().max(4_000).optional().describe('A short line below the file.'),
    },
    async ({ path, caption }) => {
      try {
        const cut = caption === undefined ? undefined : cutText(caption.trim(), MAX_CAPTION, '…');
        const { name } = await keepForPerson(directory, { path, caption: cut });
        return said(`${name} goes to the person with your answer.`);
      } catch (error) {
        if (error instanceof NotSent) return { ...said(error.message), isError: true };
        return { ...said('The file could not be copied.'), isError: true };
      }
    },
    { alwaysLoad: true },
  );
}

const said = (text: string) => ({ content: [{ type: 'text' as const, text }] });
