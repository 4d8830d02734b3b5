// Messages on their way to the server. Promises: what the person sent is kept (see storage.js) before the first attempt
// and stays kept until the server acknowledged it, through lost connections and reloads; one that the server refuses
// stays until its author takes it back; each carries one
// Idempotency-Key for all its attempts, so a repeat is never a second turn; a chat's messages go out in order.
/** @import { Api } from './api.js' */
/** @import { Connection } from './connection.js' */
/** @import { Accepted, OutboxEntry, UploadedFile } from './types.js' */

import { messageOf } from './dom.js';
import { names, read, remove as removeKept, write } from './storage.js';

export const OUTBOX = 'outbox.';

/** @typedef {ReturnType<typeof createOutbox>} Outbox */

/**
 * @param {{
 *   api: Api,
 *   connection: Connection,
 *   onAccepted: (entry: OutboxEntry, accepted: Accepted) => void,
 *   onRefused: (entry: OutboxEntry) => void,
 * }} options
 */
export function createOutbox({ api, connection, onAccepted, onRefused }) {
  /** @type {Set<string>} */
  const sending = new Set();

  /** @param {string} chat @returns {OutboxEntry[]} */
  function pending(chat) {
    try {
      return JSON.parse(read(OUTBOX + chat) ?? '[]');
    } catch {
      return [];
    }
  }

  /** @param {string} chat @param {OutboxEntry[]} entries */
  function store(chat, entries) {
    if (entries.length === 0) removeKept(OUTBOX + chat);
    else write(OUTBOX + chat, JSON.stringify(entries));
  }

  /** The first that waits to be sent. @param {string} chat */
  const first = (chat) => pending(chat).find((entry) => entry.refused === undefined);

  /** @param {string} chat @param {string} key */
  function remove(chat, key) {
    store(
      chat,
      pending(chat).filter((entry) => entry.key !== key),
    );
  }

  /**
   * @param {string} chat @param {OutboxEntry['kind']} kind @param {string} text
   * @param {{ answer?: OutboxEntry['answer'], attached?: { key: string, files: UploadedFile[] } | null }} [more] files were
   *   brought under the key that the message has to have
   */
  function add(chat, kind, text, { answer, attached } = {}) {
    /** @type {OutboxEntry} */
    const entry = {
      ...{ key: attached?.key ?? randomId(), chat, kind, text, composedAt: new Date().toISOString() },
      ...(attached && { files: attached.files }),
      ...(answer && { answer }),
    };
    store(chat, [...pending(chat), entry]);
    void flush(chat);
    return entry;
  }

  /** Sends what waits in a chat, in order. @param {string} chat */
  async function flush(chat) {
    if (sending.has(chat)) return;
    sending.add(chat);
    try {
      for (let entry = first(chat); entry; entry = first(chat)) {
        const current = entry;
        try {
          const accepted = await connection.untilAnswered(() => api.send(current));
          remove(chat, current.key);
          onAccepted(current, accepted);
        } catch (error) {
          const refused = messageOf(error);
          const entries = pending(chat);
          store(
            chat,
            entries.map((kept) => (kept.key === current.key ? { ...kept, refused } : kept)),
          );
          onRefused({ ...current, refused });
        }
      }
    } finally {
      sending.delete(chat);
    }
  }

  /** Sends what an earlier visit left behind, in every chat. */
  function flushAll() {
    for (const name of names(OUTBOX)) void flush(name.slice(OUTBOX.length));
  }

  /** @param {string} chat */
  function forget(chat) {
    removeKept(OUTBOX + chat);
  }

  return { add, pending, remove, flush, flushAll, forget };
}

/** A random UUID; `crypto.randomUUID` itself exists on HTTPS and loopback only. */
export function randomId() {
  if (typeof crypto.randomUUID === 'function') return crypto.randomUUID();
  const hex = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) =>
    byte.toString(16).padStart(2, '0'),
  );
  return hex.join('');
}
