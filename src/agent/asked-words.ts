// A call of a tool as people are shown it before they decide: the command, the change as a diff, or what the tool is given.
// What does not fit is named as missing, so that nobody allows what they have not seen without knowing so.
import { type AskedCall, type Choice, MAX_SHOWN } from '../core/asked-call.ts';
import { cutText } from '../text/cut-text.ts';
import type { ToolCall } from './tool-call.ts';
import { toolInput } from './tool-detail.ts';
import { summarizeTool } from './tool-summary.ts';

/** The CLI's own tool for questions to the person. */
export const ASK_TOOL = 'AskUserQuestion';

type Words = Pick<AskedCall, 'title' | 'detail' | 'format'>;

export function describeCall({ tool, input }: Pick<ToolCall, 'tool' | 'input'>, workspace: string): Words {
  const title = tool === ASK_TOOL ? 'Question' : summarizeTool(tool, input, workspace);
  const fields = (typeof input === 'object' && input !== null ? input : {}) as Record<string, unknown>;
  const text = (name: string): string => (typeof fields[name] === 'string' ? (fields[name] as string) : '');
  switch (tool) {
    case 'Bash':
      return { title, detail: shown(text('command')), format: 'command' };
    case 'Write':
      return { title, detail: shown(marked('+', text('content'))), format: 'diff' };
    case 'Edit': {
      const all = fields.replace_all === true ? '@@ everywhere in the file @@\n' : '';
      const change = `${all}${marked('-', text('old_string'))}\n${marked('+', text('new_string'))}`;
      return { title, detail: shown(change), format: 'diff' };
    }
    case 'NotebookEdit':
      return { title, detail: shown(marked('+', text('new_source'))), format: 'diff' };
    default:
      return { title, detail: shown(toolInput(input)), format: 'json' };
  }
}

/** What the agent asks, bounded; empty when it is not in the tool's shape. */
export function choicesOf(input: unknown): Choice[] {
  const { questions } = (input ?? {}) as { readonly questions?: unknown };
  if (!Array.isArray(questions)) return [];
  return questions.slice(0, 4).flatMap((question: Record<string, unknown>): Choice[] => {
    if (typeof question?.question !== 'string') return [];
    const options = Array.isArray(question.options) ? question.options : [];
    return [
      {
        question: cutText(question.question, 1_000, '…'),
        multiple: question.multiSelect === true,
        options: options.slice(0, 4).flatMap((option: Record<string, unknown>) =>
          typeof option?.label === 'string'
            ? [
                {
                  label: cutText(option.label, 200, '…'),
                  description:
                    typeof option.description === 'string' ? cutText(option.description, 500, '…') : '',
                },
              ]
            : [],
        ),
      },
    ];
  });
}

function marked(sign: '+' | '-', text: string): string {
  return text
    .split('\n')
    .map((line) => `${sign}${line}`)
    .join('\n');
}

function shown(text: string): string {
  if (text.length <= MAX_SHOWN) return text.toWellFormed();
  const kept = cutText(text, MAX_SHOWN);
  const missing = (text.length - kept.length).toLocaleString('en');
  return `${kept.toWellFormed()}\n… (${missing} more characters are not shown)`;
}
