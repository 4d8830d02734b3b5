// A picture at its full size over the page, and the way to save it. It is shown from memory.
import { byId } from './dom.js';
import { harmless } from './harmless.js';
import { save } from './turn-files.js';

export function createPictureDialog() {
  const dialog = byId('picture-dialog', HTMLDialogElement);
  const image = byId('picture-large', HTMLImageElement);
  const title = byId('picture-name', HTMLElement);
  /** @type {{ blob: Blob, name: string } | null} */
  let shown = null;

  byId('picture-save', HTMLButtonElement).addEventListener('click', () => {
    if (shown) save(shown.blob, shown.name);
  });
  byId('picture-close', HTMLButtonElement).addEventListener('click', () => dialog.close());
  dialog.addEventListener('click', (event) => {
    // The backdrop belongs to the dialog.
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener('close', () => {
    URL.revokeObjectURL(image.src);
    image.removeAttribute('src');
    shown = null;
  });

  return {
    /** @param {{ blob: Blob, name: string }} picture */
    show(picture) {
      shown = picture;
      const name = harmless(picture.name);
      title.textContent = name;
      image.alt = name;
      image.src = URL.createObjectURL(picture.blob);
      dialog.showModal();
    },
  };
}
