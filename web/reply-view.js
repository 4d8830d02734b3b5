// A reply as it grows: pieces of text and tool calls in the order they happened. The committed reply has the last
// word: where it differs from what was streamed, it replaces the streamed text.
/** @import { Reply, ToolEvent, TurnEvent } from './types.js' */
import { h, icon } from './dom.js';
import { createMarkdownView } from './markdown.js';
import { createToolLine } from './tool-line.js';

export function createReplyView() {
  const element = h('div', { class: 'reply' });
  /** @type {{ source: string, box: HTMLElement, view: ReturnType<typeof createMarkdownView> }[]} */
  let texts = [];
  /** @type {Map<string, ReturnType<typeof createToolLine>>} */
  const tools = new Map();

  function startText() {
    const box = h('div', { class: 'prose' });
    const text = { source: '', box, view: createMarkdownView(box) };
    texts.push(text);
    element.append(box);
    return text;
  }

  function reset() {
    texts = [];
    tools.clear();
    element.replaceChildren();
  }

  /** @param {string} delta */
  function addText(delta) {
    const last = texts.at(-1);
    const text = last && last.box === element.lastElementChild ? last : startText();
    text.source += delta;
    text.view.show(text.source);
  }

  /** @param {ToolEvent} event */
  function addTool(event) {
    const known = tools.get(event.id);
    if (known) return known.update(event);
    const line = createToolLine(event);
    tools.set(event.id, line);
    element.append(line.element);
  }

  return {
    element,
    reset,
    isEmpty: () => element.childElementCount === 0,
    hasTools: () => tools.size > 0,

    /** What adds to the reply; other events, and what cannot be shown of these, leave it as it is. @param {TurnEvent} event */
    add(event) {
      try {
        if (event.type === 'tool') return addTool(event.data);
        if ((event.type !== 'text' && event.type !== 'notice') || typeof event.data.text !== 'string') return;
        if (event.type === 'text') addText(event.data.text);
        else element.append(h('p', { class: 'notice', role: 'note' }, icon('alert'), event.data.text));
      } catch {
        // Progress is best effort; the reply's text comes with the end.
      }
    },

    /** @param {Reply} reply */
    settle(reply) {
      for (const line of tools.values()) line.settle();
      const wanted = reply.text.trim();
      const last = texts.at(-1)?.source.trim() ?? '';
      const all = texts
        .map(({ source }) => source)
        .join('')
        .trim();
      if (wanted !== last && wanted !== all) {
        for (const { box } of texts) box.remove();
        texts = [];
        if (wanted !== '') startText().source = reply.text;
      }
      for (const { source, view } of texts) view.show(source);
    },

    /** The bare text, where the rest could not be built. @param {string} text */
    showBare(text) {
      reset();
      element.append(h('p', { class: 'as-text', dir: 'auto' }, text));
    },

    /** Resolves when all of it stands as it will. */
    rendered: async () => {
      await Promise.all(texts.map(({ view }) => view.rendered()));
    },
  };
}
