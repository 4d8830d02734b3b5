// The conversations as a table, and as people see them.
import { cutText, cutTextStart } from '../../src/text/cut-text.ts';
import type { ChannelResult, PlayedCell } from './conversation.ts';
import { TITLES } from './conversation.ts';
import type { Line } from './person.ts';

/** A Markdown table, one column for each channel; reasons stand below, numbered. */
export function tableOf(results: readonly ChannelResult[]): string {
  const reasons: string[] = [];
  const shown = ({ shows, why }: PlayedCell) => {
    if (why === undefined) return shows;
    if (!reasons.includes(why)) reasons.push(why);
    return `${shows} [${reasons.indexOf(why) + 1}]`;
  };
  const rows = [
    ['', ...results.map(({ channel }) => channel)],
    ...TITLES.map((title, at) => [
      title,
      ...results.map(({ cells }) => (cells[at] ? shown(cells[at]) : 'not played')),
    ]),
  ];
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lineOf = (row: readonly string[]) =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  const [head = [], ...body] = rows;
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
  const table = [lineOf(head), rule, ...body.map(lineOf)].join('\n');
  return `${table}\n\n${reasons.map((why, at) => `${at + 1}. ${why}`).join('\n')}`;
}

export function transcriptOf(results: readonly ChannelResult[]): string {
  const chats = results.map(({ channel, lines }) => {
    const seen = lines.map((line) => `    ${lineOf(line)}`);
    return `## ${channel}\n\n${seen.join('\n')}\n`;
  });
  return `# One conversation on every channel

Written by \`npm run channels\` and kept true by \`test/channels/conversation.test.ts\`: Ann has the same conversation on each channel, against
the fakes of the platforms, with the real inlets, core, agent (Claude Agent SDK) and channels, and a model that is a script. The local
system and the installation with stand-ins for AWS show the same. Each chat stands as it is to be seen in the end. \`⏎\` is a line break,
\`[…]\` a button, \`📎\` a file that is shown.

${tableOf(results)}

${chats.join('\n')}`;
}

function lineOf({ by, text, buttons = [], file }: Line): string {
  const parts = [file === undefined ? '' : `📎${file}`, shownText(text), ...buttons.map((one) => `[${one}]`)];
  return `${by}: ${parts.filter((part) => part !== '').join(' ')}`;
}

const LONGEST = 240;
const BEGINNING = 120;
const END = 100;

function shownText(text: string): string {
  const steady = text.replace(/Support id: [^)]+/, 'Support id: …').replaceAll('\n', ' ⏎ ');
  if (steady.length <= LONGEST) return steady;
  return `${cutText(steady, BEGINNING)} … ${cutTextStart(steady, END)} (${text.length} characters)`;
}

/** Where two wirings show something else. */
export function differencesOf(
  one: readonly ChannelResult[],
  other: readonly ChannelResult[],
): readonly string[] {
  return one.flatMap(({ channel, cells, lines }, at) => {
    const found: string[] = [];
    for (const [part, cell] of cells.entries()) {
      const beside = other[at]?.cells[part];
      if (beside?.shows !== cell.shows)
        found.push(`${channel}, ${TITLES[part]}: ${cell.shows} / ${beside?.shows}`);
    }
    const [mine, theirs] = [lines, other[at]?.lines ?? []].map((chat) => chat.map(lineOf));
    if (mine?.join('\n') !== theirs?.join('\n')) {
      const where = (mine ?? []).findIndex((line, index) => line !== theirs?.[index]);
      found.push(`${channel}, the chat: ${mine?.[where] ?? '(nothing)'} / ${theirs?.[where] ?? '(nothing)'}`);
    }
    return found;
  });
}
