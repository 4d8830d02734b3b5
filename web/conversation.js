// The open chat: its turns, newest at the bottom, with the running one followed live. Promises: a turn is on the
// page once, whether it came by sending, by reload or from another tab; opening another chat ends every wait of this one.
/** @import { Api } from './api.js' */
/** @import { Connection } from './connection.js' */
/** @import { Activity } from './following.js' */
/** @import { Outbox } from './outbox.js' */
/** @import { ScrollKeeper } from './scroll.js' */
/** @import { Accepted, ChatPage, OutboxEntry, Turn, TurnFile, UploadedFile } from './types.js' */
/** @import { TurnView } from './turn-view.js' */
import { ApiProblem } from './api.js';
import { h, messageOf } from './dom.js';
import { createFollowing } from './following.js';
import { createQuestionPanel, waitingIn } from './question-panel.js';
import { createSteps } from './steps.js';
import { createTurnView } from './turn-view.js';

const PAGE_TURNS = 30;

/** @typedef {{ chat: string, ended: AbortController, views: TurnView[], cursor: string | null, steps: ReturnType<typeof createSteps>, following: ReturnType<typeof createFollowing>, loadingOlder: boolean }} Open */

/**
 * @param {{
 *   root: HTMLElement, older: HTMLButtonElement, api: Api, connection: Connection, scroll: ScrollKeeper,
 *   outbox: () => Outbox,
 *   announce: (text: string) => void,
 *   onActivity: (activity: Activity) => void,
 *   onSettled: (demo: boolean) => void,
 *   onRepeat: (text: string) => void,
 *   onCancelled: () => void,
 *   onAnswered: () => void,
 *   onEdit: (view: TurnView) => void,
 *   filesOf: (files: readonly TurnFile[]) => HTMLElement | null,
 *   menuOf: (of: { chat: string, turnId: string }) => HTMLElement,
 *   onChanged: (chat: string) => void,
 *   onMissing: (chat: string) => void,
 *   onLoaded: (page: ChatPage) => void,
 * }} options
 */
export function createConversation(options) {
  const { root, older, api, connection, scroll, outbox, announce } = options;
  /** @type {Open | null} */
  let open = null;

  const panel = createQuestionPanel({
    onAnswer(question, decision, label) {
      send('answer', label, { answer: { question: question.id, ...decision } });
      options.onAnswered();
    },
  });

  /** Below the last turn, if it has ended and somebody has to decide something. @param {Open} here */
  function showQuestions(here) {
    const last = here.views.at(-1);
    const questions = waitingIn(last?.settled() ?? null);
    panel.show(questions);
    if (last && questions.length > 0 && panel.element.parentElement !== last.element) {
      last.element.append(panel.element);
      announce(questions.length === 1 ? 'The agent asks something.' : 'The agent asks several things.');
    }
  }

  /** @param {Turn | OutboxEntry} source @param {Open} here */
  function viewOf(source, here) {
    return createTurnView({
      source,
      announce,
      filesOf: options.filesOf,
      menuOf: (turnId) => options.menuOf({ chat: here.chat, turnId }),
      onCancel(view) {
        void stopTurn(view);
        options.onCancelled();
      },
      onRepeat: options.onRepeat,
      onEdit(view) {
        drop(here, view);
        if (view.key !== null) outbox().remove(here.chat, view.key);
        options.onEdit(view);
      },
    });
  }

  /** @param {string | null} chat null: a chat that has not begun */
  async function show(chat) {
    open?.ended.abort();
    open = null;
    root.replaceChildren();
    older.hidden = true;
    options.onActivity({ running: false, stopping: false });
    if (chat === null) return;
    const ended = new AbortController();
    const { signal } = ended;
    /** @type {TurnView[]} */
    const views = [];
    /** @type {Open} */
    const here = {
      chat,
      ended,
      steps: createSteps({ api, connection, scroll, signal }),
      following: createFollowing({
        ...options,
        ...{ views, signal, lookAgain: refresh },
        onActivity(activity) {
          options.onActivity(activity);
          showQuestions(here);
        },
      }),
      views,
      cursor: null,
      loadingOlder: false,
    };
    open = here;
    const waiting = h('p', { class: 'loading' }, 'Loading');
    root.append(waiting);
    addPending(here);
    try {
      const page = await load(here, null);
      waiting.remove();
      here.cursor = page.cursor;
      older.hidden = here.cursor === null;
      merge(here, page.turns);
      options.onLoaded(page);
      scroll.toBottom();
    } catch (error) {
      waiting.remove();
      if (here.ended.signal.aborted) return;
      const unknown = error instanceof ApiProblem && error.status === 404;
      if (unknown && here.views.length === 0) options.onMissing(chat);
      else if (!unknown)
        root.prepend(
          h('p', { class: 'load-problem', role: 'alert' }, `${messageOf(error)} Reload to try again.`),
        );
    }
    here.following.settleDown();
  }

  /** @param {Open} here @param {string | null} cursor */
  function load(here, cursor) {
    const { signal } = here.ended;
    return connection.untilAnswered(() => api.chat(here.chat, { cursor, limit: PAGE_TURNS, signal }), signal);
  }

  /**
   * Brings in turns of the newest page: known ones are updated, others take their place. True if anything was new.
   * @param {Open} here @param {Turn[]} turns
   */
  function merge(here, turns) {
    let isNew = false;
    const unsent = here.views.find((view) => view.turnId() === null) ?? null;
    for (const turn of turns) {
      let view = here.views.find((known) => known.turnId() === turn.turn_id);
      if (!view) {
        view = viewOf(turn, here);
        const at = unsent ? here.views.indexOf(unsent) : here.views.length;
        here.views.splice(at, 0, view);
        root.insertBefore(view.element, unsent?.element ?? null);
        isNew = true;
      }
      const before = view.phase();
      view.update(turn);
      isNew ||= before !== view.phase();
      here.steps.bring(view);
    }
    return isNew;
  }

  /** @param {Open} here */
  function addPending(here) {
    for (const entry of outbox().pending(here.chat)) {
      const view = here.views.find((known) => known.key === entry.key) ?? addView(here, entry);
      if (entry.refused !== undefined && view.phase() !== 'refused') view.refuse(entry.refused);
    }
  }

  /** @param {Open} here @param {OutboxEntry} entry */
  function addView(here, entry) {
    const view = viewOf(entry, here);
    here.views.push(view);
    root.append(view.element);
    here.following.settleDown();
    return view;
  }

  /** @param {OutboxEntry['kind']} kind @param {string} text @param {Parameters<Outbox['add']>[3]} [more] */
  function send(kind, text, more) {
    if (!open) return false;
    const entry = outbox().add(open.chat, kind, text, more);
    addView(open, entry);
    scroll.toBottom();
    return true;
  }

  /** @param {TurnView} view */
  async function stopTurn(view) {
    const turnId = view.turnId();
    const here = open;
    if (turnId === null || !here) return;
    view.markStopping();
    here.following.report();
    announce('Stopping.');
    try {
      view.update(await connection.untilAnswered(() => api.stop(turnId), here.ended.signal));
      options.onChanged(here.chat);
    } catch (error) {
      if (!here.ended.signal.aborted) announce(messageOf(error));
    }
  }

  /** Reads the newest page again: another tab or terminal may have written. True if something was new. */
  async function refresh() {
    const here = open;
    if (!here) return false;
    addPending(here);
    let isNew = false;
    try {
      const page = await load(here, null);
      if (open !== here) return false;
      dropSentElsewhere(here);
      isNew = merge(here, page.turns);
      options.onLoaded(page);
    } catch (error) {
      // What is on the page stays, unless the chat is gone; the next look may succeed.
      if (open === here && error instanceof ApiProblem && error.status === 404) gone(here);
    }
    here.following.settleDown();
    return isNew;
  }

  /** Unsent messages that another tab has brought to the server: they come back as turns. @param {Open} here */
  function dropSentElsewhere(here) {
    const kept = new Set(
      outbox()
        .pending(here.chat)
        .map((entry) => entry.key),
    );
    const unsent = here.views.filter((view) => view.turnId() === null && !kept.has(view.key ?? ''));
    for (const view of unsent) drop(here, view);
  }

  /** @param {Open} here @param {TurnView} view */
  function drop(here, view) {
    here.views.splice(here.views.indexOf(view), 1);
    view.element.remove();
  }

  /** The chat was erased or has expired since it was opened. @param {Open} here */
  function gone(here) {
    // What was sent and not yet taken begins the chat again.
    if (here.views.length === 0 || here.views.some((view) => view.turnId() === null)) return;
    here.ended.abort();
    open = null;
    root.replaceChildren();
    older.hidden = true;
    options.onActivity({ running: false, stopping: false });
    options.onMissing(here.chat);
  }

  async function loadOlder() {
    const here = open;
    if (!here?.cursor || here.loadingOlder) return;
    here.loadingOlder = true;
    older.setAttribute('aria-busy', 'true');
    try {
      const page = await load(here, here.cursor);
      if (open !== here) return;
      here.cursor = page.cursor;
      const views = page.turns
        .filter((turn) => here.views.every((view) => view.turnId() !== turn.turn_id))
        .map((turn) => {
          const view = viewOf(turn, here);
          view.update(turn);
          return view;
        });
      await Promise.all(views.map((view) => view.rendered()));
      if (open !== here) return;
      here.views.unshift(...views);
      for (const view of views) here.steps.bring(view);
      scroll.keepPlace(() => root.prepend(...views.map((view) => view.element)));
    } catch (error) {
      if (!here.ended.signal.aborted) announce(messageOf(error));
    } finally {
      here.loadingOlder = false;
      older.removeAttribute('aria-busy');
      if (open === here) older.hidden = here.cursor === null;
    }
  }

  return {
    show,
    send,
    refresh,
    loadOlder,
    /** Stops the turn that runs, or the first that waits. */
    stop() {
      const active = open?.views.find((view) => view.phase() === 'running' || view.phase() === 'queued');
      if (active && !active.isStopping()) void stopTurn(active);
    },
    /** @param {OutboxEntry} entry @param {Accepted} accepted */
    accepted(entry, accepted) {
      if (open?.chat !== entry.chat) return;
      const here = open;
      const view = here.views.find((known) => known.key === entry.key);
      const twin = here.views.find((known) => known !== view && known.turnId() === accepted.turn_id);
      if (view && twin) drop(here, view);
      else view?.update(recordOf(entry, accepted));
      here.following.settleDown();
    },
    /** @param {OutboxEntry} entry */
    refused(entry) {
      const view = open?.views.find((known) => known.key === entry.key);
      view?.refuse(entry.refused ?? '');
      announce(`Not sent. ${entry.refused}`);
    },
  };
}

/** What is known of a turn that was just accepted. @param {OutboxEntry} entry @param {Accepted} accepted @returns {Turn} */
function recordOf(entry, accepted) {
  return {
    turn_id: accepted.turn_id,
    chat: entry.chat,
    kind: entry.kind,
    text: entry.text,
    ...(entry.files && {
      files: entry.files.map(({ file, name, media_type }) => ({
        ...{ file, name, media_type, bytes: null },
        url: `/v1/turns/${accepted.turn_id}/files/${file}`,
      })),
    }),
    status: 'queued',
    stop_requested: false,
    session_id: null,
    generation: null,
    reply: null,
    received_at: entry.composedAt,
    updated_at: new Date().toISOString(),
  };
}
