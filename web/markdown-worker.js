// Markdown to HTML, block by block, beside the page: what takes long or fails here holds nobody up. The HTML is not
// clean yet (the page does that); it is bounded in depth and in number of elements, block by block.
import { Marked } from './vendor/marked.js';

/** Deeper than people write, shallow enough for every step behind this one. */
const MAX_DEPTH = 40;
const MAX_ELEMENTS = 10_000;

/** Depths of the headings that the next one stands below. @type {number[]} */
let outline = [];

const marked = new Marked({
  gfm: true,
  renderer: {
    html: ({ text }) => escapeHtml(text),
    image: ({ href, text }) => `<a href="${escapeHtml(href)}">Image: ${escapeHtml(text || href)}</a>`,
    checkbox: ({ checked }) => (checked ? '☑ ' : '☐ '),
    heading({ tokens, depth }) {
      // Below the page's own headings and without gaps; how big it looks stays the author's choice.
      while ((outline.at(-1) ?? 0) >= depth) outline.pop();
      outline.push(depth);
      const level = Math.min(6, 2 + outline.length);
      return `<h${level} class="heading-${depth}">${this.parser.parseInline(tokens)}</h${level}>\n`;
    },
  },
});

/** @param {string} text @returns {import('./types.js').MarkdownBlock[]} */
function blocksOf(text) {
  outline = [];
  let left = MAX_ELEMENTS;
  return marked.lexer(text).map((token) => {
    if (left <= 0 || isTooDeep(token)) return { raw: token.raw, html: null };
    const html = marked.parser([token]);
    left -= html.split('<').length / 2;
    return { raw: token.raw, html: left <= 0 ? null : html };
  });
}

/** Without recursion: the depth is what is in doubt. @param {unknown} token */
function isTooDeep(token) {
  /** @type {{ value: unknown, depth: number }[]} */
  const open = [{ value: token, depth: 0 }];
  for (let next = open.pop(); next; next = open.pop()) {
    const { value, depth } = next;
    if (typeof value !== 'object' || value === null) continue;
    if (depth > MAX_DEPTH) return true;
    const isToken = 'type' in value;
    for (const part of Object.values(value)) open.push({ value: part, depth: depth + (isToken ? 1 : 0) });
  }
  return false;
}

/** @param {string} text */
function escapeHtml(text) {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}

const worker = /** @type {any} */ (self);
worker.onmessage = (/** @type {MessageEvent<string>} */ { data }) => {
  try {
    worker.postMessage({ blocks: blocksOf(data) });
  } catch {
    // Nested so deep that the parser itself ran out of stack.
    worker.postMessage({ blocks: null });
  }
};
worker.postMessage('ready');
