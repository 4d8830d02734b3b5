// The tool calls of a reply from an earlier visit: its events are played again, and only the tools are shown.
/** @import { Api } from './api.js' */
/** @import { Connection } from './connection.js' */
/** @import { TurnView } from './turn-view.js' */
import { h, messageOf } from './dom.js';
import { followTurn } from './events.js';
import { createToolLine } from './tool-line.js';

/**
 * @param {{
 *   api: Api, connection: Connection, view: TurnView, signal: AbortSignal, announce: (text: string) => void,
 * }} options
 */
export async function showSteps({ api, connection, view, signal, announce }) {
  const turnId = view.turnId();
  if (turnId === null) return;
  /** @type {Map<string, ReturnType<typeof createToolLine>>} */
  const lines = new Map();
  let problem = '';
  try {
    await followTurn({
      api,
      connection,
      turnId,
      signal,
      onEvent(event) {
        if (event.type === 'status' && event.data.status === 'retrying') lines.clear();
        if (event.type !== 'tool') return;
        const known = lines.get(event.data.id);
        if (known) known.update(event.data);
        else lines.set(event.data.id, createToolLine(event.data));
      },
    });
  } catch (error) {
    problem = messageOf(error);
  }
  for (const line of lines.values()) line.settle();
  if (lines.size === 0) problem ||= 'No tool calls are on record for this reply.';
  const note = problem === '' ? null : h('p', { class: 'steps-none' }, problem);
  const box = h('div', { class: 'steps' }, ...[...lines.values()].map((line) => line.element), note);
  view.reply.element.before(box);
  announce(problem || (lines.size === 1 ? 'One step shown.' : `${lines.size} steps shown.`));
}
