// Text that reaches a terminal, a log or a title cannot act there: a table of what is known to act, in every place.
import { describe, expect, test } from 'vitest';
import { shorten } from '../../src/api/titles.ts';
import { createChatScreen } from '../../src/cli/chat-screen.ts';
import { createTerminal } from '../../src/cli/terminal.ts';
import { createLogLines } from '../../src/local/log-lines.ts';
import { createPieceJoiner, harmless, harmlessJson } from '../../src/text/harmless.ts';

const ACTING = [
  ...Array.from({ length: 0x20 }, (_, code) => code).filter((code) => code !== 0x09 && code !== 0x0a),
  ...Array.from({ length: 0x21 }, (_, i) => 0x7f + i),
  ...[0x202a, 0x202b, 0x202c, 0x202d, 0x202e, 0x2066, 0x2067, 0x2068, 0x2069],
].map((code) => String.fromCharCode(code));
const ACTS = new RegExp(`[${ACTING.map((char) => `\\u${hex(char)}`).join('')}]`);
const ATTACK = `open ${ACTING.join('x')}\x1b]0;owned\x07\x1b[2J\u202egnp.exe`;
const INNOCENT = 'tab\tline\nשלום \u200f(א) \u061c مرحبا 👩🏽‍🚀 e\u0301 日本';

function hex(char: string): string {
  return char.charCodeAt(0).toString(16).padStart(4, '0');
}

/** A terminal whose output is kept. */
function recorded(isTTY = false) {
  let written = '';
  const stream = { isTTY, columns: 500, write: (text: string) => (written += text) } as never;
  const terminal = createTerminal({ stdin: stream, stdout: stream, stderr: stream, noColor: false });
  return { terminal, written: () => written };
}

async function* events(...list: object[]) {
  for (const event of list) yield event as never;
}

describe('harmless text', () => {
  test.each(ACTING.map((char) => [hex(char), char]))('U+%s is taken out, and escaped in JSON', (_, char) => {
    expect(harmless(`a${char}b`)).toBe('ab');
    const json = harmlessJson(JSON.stringify({ text: `a${char}b` }));
    expect(json).not.toMatch(ACTS);
    expect(JSON.parse(json)).toEqual({ text: `a${char}b` });
  });

  test('what people write stays as it is', () => {
    expect(harmless(INNOCENT)).toBe(INNOCENT);
    expect(harmless('half \ud83d')).toBe('half \ufffd');
  });

  test('the page makes titles harmless by the same rule', async () => {
    const page = (await import(new URL('../../web/harmless.js', import.meta.url).href)) as {
      harmless(text: string): string;
    };
    for (const char of [...ACTING, ...INNOCENT]) expect(page.harmless(char)).toBe(harmless(char));
  });

  const places: Record<string, () => string | Promise<string>> = {
    title: () => shorten(ATTACK),
    'log line for people': () => logged(true),
    'log line for programs': () => logged(false),
    ...Object.fromEntries(
      (['line', 'write', 'note', 'json'] as const).map((way) => [
        `terminal ${way}`,
        () => {
          const { terminal, written } = recorded();
          terminal[way](ATTACK);
          return written();
        },
      ]),
    ),
    'terminal table': () => {
      const { terminal, written } = recorded();
      terminal.table(['A', 'B'], [[ATTACK, ATTACK]]);
      return written();
    },
    'chat, streamed': async () => {
      const { terminal, written } = recorded();
      const answer = { reply: { text: ATTACK, outcome: 'ok' } };
      await createChatScreen(terminal, { streams: true }).show(
        events(
          { event: 'tool', data: { id: '1', name: ATTACK, summary: ATTACK, state: 'started' } },
          { event: 'tool', data: { id: '1', name: ATTACK, summary: ATTACK, state: 'failed' } },
          ...[...ATTACK].map((text) => ({ event: 'text', data: { text } })),
          { event: 'final', data: answer },
        ),
      );
      return written();
    },
  };
  function logged(terminal: boolean): string {
    let line = '';
    const write = (text: string) => {
      line += text;
    };
    createLogLines({ threshold: 'debug', terminal, write, now: () => 0 })('warn', 'seen', {
      spaced: ATTACK,
      bare: ATTACK.replaceAll(' ', ''),
    });
    return line;
  }
  test.each(Object.entries(places))('nothing acts in: %s', async (_, show) => {
    const shown = await show();
    expect(shown).toContain('open');
    expect(shown).not.toMatch(ACTS);
  });

  test('colours of our own pass; nothing else does, even where a caller forgot', () => {
    const { terminal, written } = recorded(true);
    terminal.line(`${terminal.style('bold', 'name')} \x1b[2J\x1b]0;t\x07\u202e`);
    expect(written()).toBe('\x1b[1mname\x1b[22m [2J]0;t\n');
  });
});

describe('text in pieces', () => {
  const text = 'a👩🏽‍🚀b𝒳𝒴 ';
  test.each([1, 2, 3, 5])(
    'cut every %i units, no half of a pair is handed on, and all of it arrives',
    (size) => {
      const joiner = createPieceJoiner();
      const pieces: string[] = [];
      for (let at = 0; at < text.length; at += size) pieces.push(joiner.join(text.slice(at, at + size)));
      expect(pieces.every((piece) => piece.isWellFormed())).toBe(true);
      expect(pieces.join('')).toBe(text);
    },
  );

  test('a stream that splits pairs shows no replacement character in a terminal', async () => {
    const { terminal, written } = recorded();
    const split = text.split('').map((unit) => ({ event: 'text', data: { text: unit } }));
    const final = { event: 'final', data: { reply: { text, outcome: 'ok' } } };
    await createChatScreen(terminal, { streams: true }).show(events(...split, final));
    expect(written().trim()).toBe(text.trim());
  });
});
