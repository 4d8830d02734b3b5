// One tool call as a quiet line: what runs, on what, and how it went. Opens to its input, its change and its result.
/** @import { ToolEvent } from './types.js' */
import { h, icon } from './dom.js';
import { toolBody } from './tool-body.js';

const ICONS = /** @type {Record<string, string>} */ ({
  Bash: 'terminal',
  BashOutput: 'terminal',
  Read: 'file',
  Write: 'file',
  Edit: 'file',
  NotebookEdit: 'file',
  Grep: 'search',
  Glob: 'search',
  WebFetch: 'globe',
  WebSearch: 'globe',
  Task: 'branch',
  Agent: 'branch',
  TodoWrite: 'list',
});

const STATE_WORDS = { started: 'running', done: 'done', failed: 'failed', unfinished: 'not finished' };

/** @param {ToolEvent} first */
export function createToolLine(first) {
  const summary = h('span', { class: 'tool-summary' });
  const mark = h('span', { class: 'tool-mark' });
  const word = h('span', { class: 'tool-word' });
  const body = h('div', { class: 'tool-body' });
  const element = h(
    'details',
    { class: 'tool' },
    h(
      'summary',
      {},
      icon(ICONS[first.name] ?? 'tool'),
      h('span', { class: 'tool-name' }, toolName(first.name)),
      summary,
      word,
      mark,
      icon('chevron'),
    ),
    body,
  );
  /** @type {ToolEvent} */
  let seen = first;
  let drawn = '';
  element.addEventListener('toggle', draw);

  /** Only what is open is drawn: a turn may have hundreds of calls. */
  function draw() {
    if (!element.open) return;
    const now = JSON.stringify(seen);
    if (now !== drawn) body.replaceChildren(...toolBody(seen));
    drawn = now;
  }

  let asked = '';
  /** @type {ToolEvent['state'] | 'unfinished'} */
  let state = 'started';

  /** @param {ToolEvent['state'] | 'unfinished'} next */
  function showState(next) {
    state = next;
    element.dataset.state = next;
    word.textContent = STATE_WORDS[next];
    mark.replaceChildren(
      next === 'started' ? h('span', { class: 'spinner' }) : icon(next === 'done' ? 'check' : 'alert'),
    );
  }

  /** @param {ToolEvent} event */
  function update(event) {
    if (event.state === 'started' || asked === '') asked = event.summary;
    // Summaries begin with the tool's name, which stands beside them already.
    const own = [`${first.name}: `, `${first.name} `].find((start) => asked.startsWith(start)) ?? '';
    const brief = asked.slice(own.length);
    summary.textContent = brief.split('\n', 1)[0] ?? '';
    // The end does not repeat what the beginning told.
    seen = { ...seen, ...event, summary: asked };
    draw();
    showState(event.state);
  }

  update(first);
  return {
    element,
    update,
    /** The turn ended before this call did. */
    settle() {
      if (state === 'started') showState('unfinished');
    },
  };
}

/** "mcp__notes__add_note" -> "notes: add note". @param {string} name */
function toolName(name) {
  const [, server, tool] = /^mcp__(.+?)__(.+)$/.exec(name) ?? [];
  return server && tool ? `${server}: ${tool.replaceAll('_', ' ')}` : name;
}
