// Markdown to DOM for text that nobody vouches for. Promises: raw HTML is shown as text, only a short list of
// elements can appear, links are http(s) or mail, and nothing is loaded from anywhere (an image becomes a link).
import { h, icon } from './dom.js';
import DOMPurify from './vendor/dompurify.js';
import { Marked } from './vendor/marked.js';

const marked = new Marked({
  gfm: true,
  renderer: {
    html: ({ text }) => escapeHtml(text),
    image: ({ href, text }) => `<a href="${escapeHtml(href)}">Image: ${escapeHtml(text || href)}</a>`,
    checkbox: ({ checked }) => (checked ? '☑ ' : '☐ '),
  },
});

const ALLOWED_TAGS = [
  ...[
    'p',
    'br',
    'hr',
    'h1',
    'h2',
    'h3',
    'h4',
    'h5',
    'h6',
    'blockquote',
    'ul',
    'ol',
    'li',
    'pre',
    'code',
    'em',
  ],
  ...['strong', 'del', 'a', 'table', 'thead', 'tbody', 'tr', 'th', 'td'],
];
const ALLOWED_ATTR = ['href', 'title', 'start', 'align', 'class'];
const ALLOWED_URI_REGEXP = /^(?:https?:|mailto:)/i;

/**
 * An element whose text may grow: blocks that did not change keep their DOM, and with it selection and scroll.
 * @param {HTMLElement} element
 */
export function createMarkdownView(element) {
  /** @type {{ raw: string, nodes: Node[] }[]} */
  let blocks = [];
  let wanted = '';
  let frame = 0;

  /** @param {string} text */
  function show(text) {
    cancelAnimationFrame(frame);
    frame = 0;
    const tokens = marked.lexer(text);
    let same = 0;
    while (same < blocks.length && blocks[same]?.raw === tokens[same]?.raw) same += 1;
    for (const block of blocks.slice(same))
      for (const node of block.nodes) node.parentNode?.removeChild(node);
    blocks = blocks.slice(0, same);
    for (const token of tokens.slice(same)) {
      const fragment = toFragment(marked.parser([token]));
      blocks.push({ raw: token.raw, nodes: [...fragment.childNodes] });
      element.append(fragment);
    }
  }

  return {
    show,
    /** Shows the text with the next frame. @param {string} text */
    showSoon(text) {
      wanted = text;
      frame ||= requestAnimationFrame(() => show(wanted));
    },
  };
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

/** @param {string} text */
function escapeHtml(text) {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}
