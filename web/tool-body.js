// What a tool line opens to: what the tool was given, what it changed and what it answered. All of it is text.
/** @import { ToolEvent } from './types.js' */
import { h } from './dom.js';

/** @param {ToolEvent} seen everything known of the call */
export function toolBody(seen) {
  const input = parsed(seen.input);
  const diff = seen.diff ?? (seen.result === undefined || seen.state === 'failed' ? null : ownDiff(input));
  const given = diff === null ? inputText(input) : withoutTexts(input);
  const parts = [
    ...section('Input', given === '' ? null : pre(given)),
    ...section('Change', diff === null ? null : diffBox(diff)),
    ...section(seen.state === 'failed' ? 'Error' : 'Result', seen.result ? pre(seen.result) : null),
  ];
  if (parts.length > 0) return parts;
  return [pre(seen.summary || 'No details.')];
}

/** @param {string} name @param {HTMLElement | null} content */
function section(name, content) {
  return content === null ? [] : [h('p', { class: 'tool-label' }, name), content];
}

/** @param {string} text */
function pre(text) {
  return h('pre', { class: 'tool-detail', tabindex: 0 }, text);
}

/** @param {string} diff */
function diffBox(diff) {
  const lines = diff.split('\n').map((line) => {
    const kind = { '+': 'added', '-': 'removed', '@': 'place' }[line[0] ?? ''] ?? 'same';
    return h('span', { class: `diff-${kind}` }, `${line}\n`);
  });
  return h('pre', { class: 'tool-detail diff', tabindex: 0 }, ...lines);
}

/** The change of an edit whose result did not tell: what was looked for, and what stands there now. @param {unknown} input */
function ownDiff(input) {
  const { old_string: before, new_string: after } = fieldsOf(input);
  if (typeof before !== 'string' || typeof after !== 'string') return null;
  const marked = (/** @type {string} */ text, /** @type {string} */ mark) =>
    text === '' ? [] : text.split('\n').map((line) => mark + line);
  return [...marked(before, '-'), ...marked(after, '+')].join('\n');
}

/** What the diff and the line above do not tell already. @param {unknown} input */
function withoutTexts(input) {
  const {
    old_string: _old,
    new_string: _new,
    content: _content,
    file_path: _path,
    ...rest
  } = fieldsOf(input);
  return inputText(rest);
}

/** @param {unknown} input */
function inputText(input) {
  if (input === undefined) return '';
  if (typeof input === 'string') return input;
  // What a command is for stands in the line above already.
  const { description, ...rest } = fieldsOf(input);
  const fields = 'command' in rest || description === undefined ? rest : { description, ...rest };
  const entries = Object.entries(fields);
  const [only] = entries;
  if (entries.length === 1 && only && typeof only[1] === 'string') return only[1];
  return entries.map(([name, value]) => `${name}: ${valueText(value)}`).join('\n');
}

/** @param {unknown} value */
function valueText(value) {
  if (typeof value === 'string') return value.includes('\n') ? `\n${value}` : value;
  return JSON.stringify(value, null, 2) ?? '';
}

/** @param {unknown} input @returns {Record<string, unknown>} */
function fieldsOf(input) {
  return typeof input === 'object' && input !== null ? /** @type {Record<string, unknown>} */ (input) : {};
}

/** @param {string | undefined} json @returns {unknown} */
function parsed(json) {
  if (json === undefined) return undefined;
  try {
    return JSON.parse(json);
  } catch {
    return json;
  }
}
