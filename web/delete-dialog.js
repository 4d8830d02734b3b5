// Asking before a chat is erased, and erasing it. Nothing is erased without the second click.
/** @import { Api } from './api.js' */
/** @import { ChatSummary } from './types.js' */
import { byId } from './dom.js';

/** @param {{ api: Api, onErased: (chat: string) => void }} options */
export function createDeleteDialog({ api, onErased }) {
  const dialog = byId('delete-dialog', HTMLDialogElement);
  const title = byId('delete-title', HTMLElement);
  const problem = byId('delete-problem', HTMLElement);
  const confirm = byId('delete-confirm', HTMLButtonElement);
  byId('delete-cancel', HTMLButtonElement).addEventListener('click', () => dialog.close());
  /** @type {ChatSummary | null} */
  let chosen = null;

  confirm.addEventListener('click', async () => {
    if (!chosen) return;
    const { chat } = chosen;
    confirm.disabled = true;
    try {
      await api.erase(chat).catch((error) => {
        // Gone already is as good as erased.
        if (error?.status !== 404) throw error;
      });
      dialog.close();
      onErased(chat);
    } catch (error) {
      problem.textContent = error instanceof Error ? error.message : 'The chat could not be deleted.';
      problem.hidden = false;
    } finally {
      confirm.disabled = false;
    }
  });

  /** @param {ChatSummary} chat */
  return function ask(chat) {
    chosen = chat;
    title.textContent = chat.title.trim() || 'Untitled chat';
    problem.hidden = true;
    dialog.showModal();
  };
}
