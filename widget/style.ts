// How the widget looks. It lives in a shadow root, so that no style of the page reaches it but the variables below
// (`--hybrid-chat-*`) and its parts; and it is a constructed sheet, which a strict content policy allows.
export function createStyle(): CSSStyleSheet {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(STYLE);
  return sheet;
}

const DARK = `
  --ground: var(--hybrid-chat-ground, #16181d); --ink: var(--hybrid-chat-ink, #eceef2); --quiet: var(--hybrid-chat-quiet, #aab1bd);
  --line: var(--hybrid-chat-line, #3b404a); --mine: var(--hybrid-chat-mine, #26344d); --bad: var(--hybrid-chat-bad, #ff9d94);
  --accent: var(--hybrid-chat-accent, #8ab4ff); --on-accent: var(--hybrid-chat-on-accent, #10131a); color-scheme: dark;`;

const STYLE = `
:host {
  --ground: var(--hybrid-chat-ground, #ffffff); --ink: var(--hybrid-chat-ink, #1b1f27); --quiet: var(--hybrid-chat-quiet, #555d6b);
  --line: var(--hybrid-chat-line, #c9ced6); --mine: var(--hybrid-chat-mine, #e4edfd); --bad: var(--hybrid-chat-bad, #a81d12);
  --accent: var(--hybrid-chat-accent, #1a56c4); --on-accent: var(--hybrid-chat-on-accent, #ffffff); color-scheme: light;
  font: var(--hybrid-chat-font, 1rem/1.5 system-ui, sans-serif); color: var(--ink);
}
@media (prefers-color-scheme: dark) { :host(:not([theme='light'])) { ${DARK} } }
:host([theme='dark']) { ${DARK} }
:host(:not([inline])) { position: fixed; right: 1rem; bottom: 1rem; z-index: 2147483000; }
:host([inline]) { display: block; height: var(--hybrid-chat-height, 32rem); }
[hidden] { display: none !important; }
* { box-sizing: border-box; }
button, textarea { font: inherit; color: inherit; }
button { cursor: pointer; border: 1px solid var(--line); border-radius: 0.6rem; background: transparent; padding: 0.35rem 0.8rem; min-height: 2.2rem; }
button.main { background: var(--accent); color: var(--on-accent); border-color: var(--accent); }
button:disabled { opacity: 0.55; cursor: default; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.launch { display: block; margin-left: auto; border-radius: 2rem; padding: 0.6rem 1.2rem; box-shadow: 0 2px 10px rgb(0 0 0 / 30%); }
.panel { display: flex; flex-direction: column; background: var(--ground); border: 1px solid var(--line); border-radius: 0.8rem; overflow: hidden; height: 100%; }
:host(:not([inline])) .panel { width: min(24rem, calc(100vw - 2rem)); height: min(36rem, calc(100vh - 6rem)); margin-bottom: 0.6rem; box-shadow: 0 6px 30px rgb(0 0 0 / 30%); }
header { display: flex; gap: 0.5rem; align-items: center; padding: 0.5rem 0.8rem; border-bottom: 1px solid var(--line); }
h2 { flex: 1; font-size: 1rem; margin: 0; }
.log { flex: 1; overflow-y: auto; padding: 0.8rem; overflow-wrap: anywhere; }
.message { margin: 0 0 0.8rem; }
.mine { margin-left: 2rem; background: var(--mine); border-radius: 0.8rem; padding: 0.4rem 0.8rem; white-space: pre-wrap; }
.failed { color: var(--bad); }
.note, .working { color: var(--quiet); font-size: 0.9rem; }
.reply > :first-child { margin-top: 0; } .reply > :last-child { margin-bottom: 0; }
h3, h4, h5, h6 { font-size: 1rem; margin: 0.8rem 0 0.4rem; } p, ul, ol, pre, blockquote { margin: 0.5rem 0; }
.scrolling { overflow-x: auto; border: 1px solid var(--line); border-radius: 0.4rem; padding: 0.5rem; }
code { font: 0.9em ui-monospace, monospace; } a { color: var(--accent); }
th, td { text-align: left; padding: 0.2rem 0.6rem 0.2rem 0; }
.question { border: 1px solid var(--line); border-radius: 0.6rem; padding: 0.6rem; } .question p { margin: 0 0 0.4rem; }
.choices { display: flex; flex-wrap: wrap; gap: 0.4rem; }
.status { padding: 0 0.8rem; color: var(--quiet); font-size: 0.9rem; min-height: 1.5rem; }
form { display: flex; gap: 0.5rem; align-items: end; padding: 0.6rem 0.8rem; border-top: 1px solid var(--line); }
textarea { flex: 1; resize: none; field-sizing: content; min-height: 2.2rem; max-height: 9rem; padding: 0.35rem 0.6rem; background: transparent; border: 1px solid var(--quiet); border-radius: 0.6rem; }
textarea::placeholder { color: var(--quiet); opacity: 1; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
`;
