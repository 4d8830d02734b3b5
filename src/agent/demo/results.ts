// Shows what tools brought back, the way a person likes to read it.

import { cutText } from '../../text/cut-text.ts';
import type { ToolResult, ToolUse } from '../model-messages.ts';
import { introduction } from './help.ts';

const MAX_LENGTH = 4_000;

export function resultsText(uses: readonly ToolUse[], results: readonly ToolResult[]): string {
  return results
    .map((result) => {
      const use = uses.find((candidate) => candidate.id === result.id);
      return resultText(use?.name ?? 'a tool', use?.input ?? {}, result);
    })
    .join('\n\n');
}

function resultText(
  tool: string,
  input: Readonly<Record<string, unknown>>,
  { text, failed }: ToolResult,
): string {
  if (tool === 'Bash') {
    const shown = text === '(Bash completed with no output)' ? '' : text;
    return fenced(`$ ${input.command}${shown === '' ? '' : `\n${shown}`}`, 'console');
  }
  if (failed) return `${tool} failed:\n\n${fenced(text.replace(/<\/?tool_use_error>/g, ''))}`;
  switch (tool) {
    case 'Write':
      return `I wrote \`${input.file_path}\`.`;
    case 'Read':
      return `\`${input.file_path}\` says:\n\n${fenced(withoutNumbers(text))}`;
    case 'TaskCreate':
      return `New task: **${input.subject}**`;
    case 'TaskList':
      return `Tasks:\n\n${text}`;
    case 'Agent':
      return `The subagent \`${input.subagent_type}\` reports:\n\n${quoted(reportOf(text))}`;
    case 'Skill':
      return `The skill \`${String(input.skill).replace(/^agent:/, '')}\` is loaded.`;
    case 'mcp__this_chat__send_file':
      return text;
    case 'mcp__dice__roll':
      return `🎲 ${text}`;
    default:
      return `${tool}:\n\n${fenced(text)}`;
  }
}

/** A file as it is: the Read tool numbers its lines, an empty last one too. */
function withoutNumbers(text: string): string {
  return text.replace(/^ *\d+(?:\t|→|$)/gm, '').trimEnd();
}

/** A subagent's own words, without the frame the CLI puts around them. */
function reportOf(text: string): string {
  const report = /The report follows:\n([\s\S]*)$/.exec(text)?.[1] ?? text;
  return report
    .replace(/\nagentId:[\s\S]*$/, '')
    .replace(/^ {2}/gm, '')
    .replace(introduction(), '')
    .trim();
}

/** A fence longer than any inside. */
function fenced(text: string, language = 'text'): string {
  const clipped = cutText(text, MAX_LENGTH, '\n…');
  const longest = Math.max(2, ...(clipped.match(/`+/g) ?? []).map((run) => run.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}${language}\n${clipped}\n${fence}`;
}

function quoted(text: string): string {
  return text
    .split('\n')
    .map((line) => `> ${line}`)
    .join('\n');
}
