// One short line about a tool call, for people who watch: `Bash: npm test`, `Write notes.md`.
import { relative } from 'node:path';
import { cutText } from '../text/cut-text.ts';
import { KEEP_RUNNING, SEND_FILE } from './own-tools.ts';

const MAX_LENGTH = 120;

export function summarizeTool(name: string, input: unknown, workspace: string): string {
  const fields = (typeof input === 'object' && input !== null ? input : {}) as Record<string, unknown>;
  const text = (key: string): string => (typeof fields[key] === 'string' ? (fields[key] as string) : '');
  const path = (key: string): string => shortPath(text(key), workspace);
  switch (name) {
    case 'Bash':
      return clip(`Bash: ${text('command')}`);
    case 'Read':
    case 'Write':
    case 'Edit':
      return clip(`${name} ${path('file_path')}`);
    case 'NotebookEdit':
      return clip(`Edit ${path('notebook_path')}`);
    case 'Glob':
    case 'Grep':
      return clip(`${name} ${text('pattern')}`);
    case 'Agent':
    case 'Task':
      return clip(`Subagent ${text('subagent_type') || 'general-purpose'}: ${text('description')}`);
    case 'Skill':
      return clip(`Skill ${text('skill').replace(/^agent:/, '')}`);
    case 'TaskCreate':
      return clip(`New task: ${text('subject')}`);
    case 'TaskUpdate':
      return clip(`Task ${text('taskId')}: ${text('status') || 'changed'}`);
    case SEND_FILE:
      return clip(`Send ${path('path')}`);
    case KEEP_RUNNING:
      return 'Keep it running';
    case 'WebFetch':
      return clip(`Fetch ${text('url')}`);
    case 'WebSearch':
      return clip(`Search the web: ${text('query')}`);
    default: {
      const mcp = /^mcp__(.+?)__(.+)$/.exec(name);
      return clip(mcp ? `${mcp[1]}: ${mcp[2]}` : name);
    }
  }
}

function shortPath(path: string, workspace: string): string {
  const inside = relative(workspace, path);
  return inside === '' || inside.startsWith('..') ? path : inside;
}

/** The first line, cut to a length fit for a chat. */
function clip(text: string): string {
  const [line = '', ...more] = text.trim().split('\n');
  if (more.length === 0) return cutText(line, MAX_LENGTH, '…');
  return `${cutText(line, MAX_LENGTH - 1)}…`;
}
