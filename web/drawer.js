// The list of chats on a narrow screen: a drawer over the page. While it is open the rest cannot be reached.
import { byId } from './dom.js';

export function createDrawer() {
  const sidebar = byId('sidebar', HTMLElement);
  const main = byId('main', HTMLElement);
  const opener = byId('open-drawer', HTMLButtonElement);
  const shade = byId('shade', HTMLElement);
  const narrow = matchMedia('(max-width: 799px)');
  let open = false;

  function show() {
    const covering = narrow.matches && open;
    document.body.classList.toggle('drawer-open', covering);
    sidebar.inert = narrow.matches && !open;
    main.inert = covering;
    shade.hidden = !covering;
    opener.setAttribute('aria-expanded', String(covering));
  }

  function close() {
    if (!open) return;
    open = false;
    show();
    if (narrow.matches) opener.focus();
  }

  opener.addEventListener('click', () => {
    open = true;
    show();
    byId('new-chat', HTMLElement).focus();
  });
  byId('close-drawer', HTMLButtonElement).addEventListener('click', close);
  shade.addEventListener('click', close);
  narrow.addEventListener('change', () => {
    open = false;
    show();
  });
  show();
  return { close, isOpen: () => open && narrow.matches };
}
