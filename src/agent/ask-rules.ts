// `tools.ask` of an agent folder: which calls people decide about. A rule names a tool, or a tool and what it is given:
// `Bash`, `Bash(git push *)`, `Write(docs/*)`, `mcp__mail`. A command is looked at part by part, so that one behind `&&` is
// found, too; what hides in a script or behind an `eval` is not. It is a question to people, not a wall.
import { isAbsolute, relative, resolve } from 'node:path';
import type { ToolCall } from './tool-call.ts';

export interface AskRule {
  readonly tool: string;
  /** null: every call. */
  readonly given: RegExp | null;
}

/** Which part of the input a rule's pattern is about. */
const GIVEN: Readonly<Record<string, string>> = {
  Bash: 'command',
  Read: 'file_path',
  Write: 'file_path',
  Edit: 'file_path',
  NotebookEdit: 'notebook_path',
  WebFetch: 'url',
};

const SHAPE = /^([A-Za-z][A-Za-z0-9_-]*)(?:\(([\s\S]+)\))?$/;

/** null when it is no rule. Whether there is such a tool, the folder knows. */
export function parseAskRule(rule: string): AskRule | null {
  const [, tool, pattern] = SHAPE.exec(rule) ?? [];
  if (tool === undefined || (pattern !== undefined && !(tool in GIVEN))) return null;
  return { tool, given: pattern === undefined ? null : patternOf(pattern) };
}

/** `git push *` means `git push`, too. */
function patternOf(pattern: string): RegExp {
  const isOpen = pattern.endsWith(' *');
  const text = (isOpen ? pattern.slice(0, -2) : pattern)
    .split('*')
    .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    .join('[^]*');
  return new RegExp(`^${text}${isOpen ? '(?:\\s[^]*)?' : ''}$`);
}

export function mustAsk(rules: readonly AskRule[], call: ToolCall, workspace: string): boolean {
  return rules.some(({ tool, given }) => {
    const isTool = call.tool === tool || (tool.startsWith('mcp__') && call.tool.startsWith(`${tool}__`));
    return isTool && (given === null || givenIn(call, workspace).some((text) => given.test(text)));
  });
}

/** What patterns are compared with: any of these. */
function givenIn({ tool, input, cwd }: ToolCall, workspace: string): readonly string[] {
  const value = ((input ?? {}) as Record<string, unknown>)[GIVEN[tool] ?? ''];
  if (typeof value !== 'string') return [''];
  if (tool === 'WebFetch') return [value];
  if (tool !== 'Bash') {
    const path = isAbsolute(value) ? value : resolve(cwd, value);
    return [value, path, relative(workspace, path)];
  }
  const parts = value.split(/&&|\|\||[;|&\n()]|\$\(|`/).map((part) => part.trim());
  return [value.trim(), ...parts, ...parts.map((part) => part.replace(/^(?:\w+=\S*\s+)+/, ''))];
}
