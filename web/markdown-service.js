// Asks the worker for one text after the other. Promises: every text gets an answer within the time limit, null where
// it cannot be rendered; a text that took too long costs its worker, and the next text gets a new one.
/** @import { MarkdownBlock } from './types.js' */

const LIMIT_MS = 3_000;
/** Loading the worker's files is the network's time, not the text's. */
const START_LIMIT_MS = 20_000;

/** @type {{ text: string, answer: (blocks: MarkdownBlock[] | null) => void }[]} */
const waiting = [];
/** @type {Worker | null} */
let worker = null;
let ready = false;
let busy = false;
let timer = 0;

/** @param {string} text @returns {Promise<MarkdownBlock[] | null>} */
export function renderMarkdown(text) {
  return new Promise((answer) => {
    waiting.push({ text, answer });
    next();
  });
}

function next() {
  if (busy || waiting.length === 0) return;
  if (!worker) return start();
  if (!ready) return;
  busy = true;
  timer = setTimeout(giveUp, LIMIT_MS);
  worker.postMessage(waiting[0]?.text);
}

function start() {
  ready = false;
  try {
    worker = new Worker('/assets/markdown-worker.js', { type: 'module' });
  } catch {
    return giveUp();
  }
  timer = setTimeout(giveUp, START_LIMIT_MS);
  worker.addEventListener('error', giveUp);
  worker.addEventListener('message', ({ data }) => {
    clearTimeout(timer);
    if (data === 'ready') ready = true;
    else answer(data.blocks);
    next();
  });
}

/** @param {MarkdownBlock[] | null} blocks */
function answer(blocks) {
  busy = false;
  waiting.shift()?.answer(blocks);
}

/** The first in line is not rendered; the others get a worker of their own. */
function giveUp() {
  clearTimeout(timer);
  worker?.terminate();
  worker = null;
  answer(null);
  next();
}

// The first reply should not wait for the worker's files.
start();
