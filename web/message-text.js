// A message as its author sees it again: pasted code in a fixed width, the rest as it was typed, and a long one folded
// behind a button. Nothing of it is Markdown: what stands there is what was sent.
import { h } from './dom.js';

const FOLD_LINES = 16;
const FOLD_CHARS = 1_400;
/** Share of a block's lines that must look like code. */
const CODE_SHARE = 0.6;

/** @typedef {{ code: boolean, text: string }} Part */

/** @param {string} text */
export function createMessageText(text) {
  const box = h(
    'div',
    { class: 'ask-text', dir: 'auto' },
    ...partsOf(text).map((part) =>
      part.code
        ? h('pre', { class: 'ask-code', dir: 'ltr', tabindex: 0 }, part.text)
        : h('p', { dir: 'auto' }, part.text),
    ),
  );
  const lines = text.split('\n').length;
  if (lines <= FOLD_LINES && text.length <= FOLD_CHARS) return [box];
  box.classList.add('folded');
  const size = lines > FOLD_LINES ? `${lines} lines` : `${text.length.toLocaleString('en')} characters`;
  const button = h(
    'button',
    {
      type: 'button',
      class: 'text-button fold-button',
      'aria-expanded': 'false',
      onclick() {
        const folded = box.classList.toggle('folded');
        button.textContent = folded ? `Show all (${size})` : 'Show less';
        button.setAttribute('aria-expanded', String(!folded));
      },
    },
    `Show all (${size})`,
  );
  return [box, button];
}

/** Fenced blocks, and paragraphs that look like code, are code. @param {string} text @returns {Part[]} */
export function partsOf(text) {
  /** @type {Part[]} */
  const parts = [];
  /** @param {boolean} code @param {string} piece @param {string} glue */
  const add = (code, piece, glue) => {
    const last = parts.at(-1);
    if (last && last.code === code) last.text += glue + piece;
    else parts.push({ code, text: piece });
  };
  for (const [i, piece] of text.split(/^(?:```|~~~)[^\n]*$/m).entries()) {
    if (i % 2 === 1) {
      parts.push({ code: true, text: piece.replace(/^\n|\n$/g, '') });
      continue;
    }
    const plain = i === 0 ? piece : piece.replace(/^\n/, '');
    if (plain.trim() === '') continue;
    const blocks = plain.split(/(\n[ \t]*\n+)/);
    for (let at = 0; at < blocks.length; at += 2) {
      const block = blocks[at] ?? '';
      if (block.trim() !== '') add(looksLikeCode(block), block, blocks[at - 1] ?? '');
    }
  }
  return parts.length === 0 ? [{ code: false, text }] : parts;
}

/** @param {string} block */
function looksLikeCode(block) {
  const lines = block.split('\n').filter((line) => line.trim() !== '');
  if (lines.length < 2) return false;
  const signs = lines.filter(
    (line) =>
      /^(?: {2,}|\t)\S/.test(line) ||
      /[;{}[\]()]\s*$|=>|^\s*(?:[$#>]|\/\/|<\/?\w|@\w+|@@ |[+-]{3} \S|[+-](?=[^\s\d]))/.test(line) ||
      /^\s*(?:def|class|import|from|return|const|let|var|function|if|for|while|fn|pub|use|SELECT|INSERT|FROM|at)\b.*[({:;=,]/.test(
        line,
      ) ||
      /^\s*[\w.$"'[\]]+\s*(?:=|:=|\+=)\s*\S/.test(line),
  );
  return signs.length / lines.length >= CODE_SHARE;
}
