// Markdown to DOM for text that nobody vouches for. Promises: raw HTML is shown as text, only a short list of
// elements can appear, links are http(s) or mail, nothing is loaded from anywhere (an image becomes a link), and what
// cannot be rendered in time is shown as the text it is.
/** @import { MarkdownBlock } from './types.js' */
import { h, icon } from './dom.js';
import { renderMarkdown } from './markdown-service.js';
import DOMPurify from './vendor/dompurify.js';

const ALLOWED_TAGS = [
  ...['p', 'br', 'hr', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'blockquote', 'ul', 'ol', 'li', 'pre', 'code'],
  ...['em', 'strong', 'del', 'a', 'table', 'thead', 'tbody', 'tr', 'th', 'td'],
];
const ALLOWED_ATTR = ['href', 'title', 'start', 'align', 'class'];
const ALLOWED_URI_REGEXP = /^(?:https?:|mailto:)/i;

/** Whoever waits longer than this reads the bare text meanwhile. */
const BARE_AFTER_MS = 150;
/** Placing is the page's own time: it may take a quarter of it. */
const REST_FACTOR = 3;

/**
 * An element whose text may grow: blocks that did not change keep their DOM, and with it selection and scroll.
 * @param {HTMLElement} element
 */
export function createMarkdownView(element) {
  /** @type {{ raw: string, nodes: Node[] }[]} */
  let blocks = [];
  /** @type {string | null} */
  let wanted = null;
  /** @type {string | null} */
  let placed = null;
  let isBare = true;
  let cannot = false;
  let busy = false;
  let work = Promise.resolve();

  async function catchUp() {
    busy = true;
    while (wanted !== null) {
      const text = wanted;
      wanted = null;
      if (text === placed) continue;
      const bare = setTimeout(() => isBare && showBare(text), BARE_AFTER_MS);
      const rendered = cannot ? null : await renderMarkdown(text);
      clearTimeout(bare);
      const startMs = performance.now();
      // A text that only grows would cost a worker with every piece.
      cannot ||= rendered === null;
      if (rendered) place(rendered);
      else showBare(wanted ?? text);
      placed = text;
      const restMs = (performance.now() - startMs) * REST_FACTOR;
      if (wanted !== null) await new Promise((resolve) => setTimeout(resolve, restMs));
    }
    busy = false;
  }

  /** @param {string} text */
  function showBare(text) {
    isBare = true;
    blocks = [];
    element.replaceChildren(asText(text));
  }

  /** @param {MarkdownBlock[]} rendered */
  function place(rendered) {
    if (isBare) element.replaceChildren();
    isBare = false;
    let same = 0;
    while (same < blocks.length && blocks[same]?.raw === rendered[same]?.raw) same += 1;
    for (const block of blocks.slice(same))
      for (const node of block.nodes) node.parentNode?.removeChild(node);
    blocks = blocks.slice(0, same);
    for (const block of rendered.slice(same)) {
      const nodes = nodesOf(block);
      blocks.push({ raw: block.raw, nodes });
      element.append(...nodes);
    }
  }

  return {
    /** @param {string} text */
    show(text) {
      wanted = text;
      if (!busy) work = catchUp();
    },
    /** Resolves when what was asked for stands there. */
    rendered: async () => {
      while (busy) await work;
    },
  };
}

/** @param {MarkdownBlock} block @returns {Node[]} */
function nodesOf({ raw, html }) {
  if (html === null) return [asText(raw)];
  try {
    return [...toFragment(html).childNodes];
  } catch {
    return [asText(raw)];
  }
}

/** @param {string} text */
function asText(text) {
  return h('p', { class: 'as-text', dir: 'auto' }, text);
}

/** @param {string} html */
function toFragment(html) {
  const fragment = DOMPurify.sanitize(html, {
    ALLOWED_TAGS,
    ALLOWED_ATTR,
    ALLOWED_URI_REGEXP,
    ADD_URI_SAFE_ATTR: ['align', 'start'],
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    RETURN_DOM_FRAGMENT: true,
  });
  for (const link of fragment.querySelectorAll('a')) {
    link.target = '_blank';
    link.rel = 'noopener noreferrer nofollow';
  }
  for (const code of fragment.querySelectorAll('pre')) frameCode(code);
  for (const table of fragment.querySelectorAll('table')) {
    const box = h('div', { class: 'table-box', tabindex: 0, role: 'region', 'aria-label': 'Table' });
    table.replaceWith(box);
    box.append(table);
  }
  return fragment;
}

/** @param {HTMLPreElement} pre */
function frameCode(pre) {
  const code = pre.querySelector('code');
  const language = /^language-(\S+)/.exec(code?.className ?? '')?.[1] ?? '';
  pre.tabIndex = 0;
  const figure = h(
    'figure',
    { class: 'code' },
    h(
      'figcaption',
      { class: 'code-bar' },
      h('span', { class: 'code-language' }, language || 'text'),
      h(
        'button',
        { type: 'button', class: 'quiet-button', 'data-copy': 'code' },
        icon('copy'),
        h('span', {}, 'Copy'),
      ),
    ),
  );
  pre.replaceWith(figure);
  figure.append(pre);
}
