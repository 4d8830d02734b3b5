// Dark or light, before the first paint (a plain script in the head, so that nothing flashes). The system's choice
// holds until the person makes another one; choosing what the system says anyway hands the choice back to it.
(() => {
  const STORED = 'hybrid-sessions.theme';
  /** The choice of this visit, where nothing can be stored. @type {string | null} */
  let chosen = null;
  const system = matchMedia('(prefers-color-scheme: dark)');
  const systemTheme = () => (system.matches ? 'dark' : 'light');

  function stored() {
    try {
      return localStorage.getItem(STORED);
    } catch {
      return null;
    }
  }

  function show() {
    const theme = chosen ?? stored() ?? systemTheme();
    document.documentElement.dataset.theme = theme;
    const button = document.getElementById('theme');
    const label = theme === 'dark' ? 'Use light colours' : 'Use dark colours';
    button?.setAttribute('aria-label', label);
    button?.setAttribute('title', label);
  }

  function toggle() {
    const next = document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark';
    chosen = next === systemTheme() ? null : next;
    try {
      if (chosen === null) localStorage.removeItem(STORED);
      else localStorage.setItem(STORED, chosen);
    } catch {
      // Full or forbidden: the choice holds for this visit.
    }
    show();
  }

  show();
  system.addEventListener('change', show);
  document.addEventListener('DOMContentLoaded', () => {
    document.getElementById('theme')?.addEventListener('click', toggle);
    show();
  });
})();
