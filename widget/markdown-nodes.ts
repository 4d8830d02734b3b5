// Markdown as nodes. Nothing is ever parsed as HTML: every element is made here, so a reply can put nothing else on
// the page, and the page may forbid inline scripts, styles and HTML sinks. HTML in a text is shown as the text it is, an
// image as a link, and a link goes to http, https or mail.
import { lexer, type Token, type Tokens } from 'marked';

const MAX_DEPTH = 40;

export function markdownNodes(text: string): Node[] {
  try {
    return lexer(text, { gfm: true }).flatMap((token) => nodesOf(token, 0));
  } catch {
    return [document.createTextNode(text)];
  }
}

function nodesOf(token: Token, depth: number): Node[] {
  if (depth > MAX_DEPTH) return [document.createTextNode(token.raw)];
  const inner = (tokens: readonly Token[] = []) => tokens.flatMap((one) => nodesOf(one, depth + 1));
  switch (token.type) {
    case 'space':
    case 'def':
      return [];
    case 'heading':
      // The page has headings of its own: those of a reply begin below them.
      return [made(`h${Math.min(6, (token as Tokens.Heading).depth + 2)}`, inner(token.tokens))];
    case 'paragraph':
      return [made('p', inner(token.tokens))];
    case 'strong':
    case 'em':
    case 'del':
    case 'blockquote':
      return [made(token.type, inner(token.tokens))];
    case 'br':
    case 'hr':
      return [made(token.type)];
    case 'codespan':
      return [made('code', [document.createTextNode(token.text)])];
    case 'code':
      return [scrolling(made('pre', [made('code', [document.createTextNode(token.text)])]), 'Code')];
    case 'list':
      return [listOf(token as Tokens.List, inner)];
    case 'table':
      return [scrolling(made('div', [tableOf(token as Tokens.Table, inner)]), 'Table')];
    case 'link':
      return linked(token as Tokens.Link, inner(token.tokens));
    case 'image':
      return linked(token as Tokens.Image, [document.createTextNode(token.text || token.href)]);
    case 'escape':
      return [document.createTextNode(token.text)];
    case 'text':
      return token.tokens ? inner(token.tokens) : [document.createTextNode(token.text)];
    default:
      return [document.createTextNode(token.raw)];
  }
}

type Inner = (tokens?: readonly Token[]) => Node[];

function listOf({ ordered, start, items }: Tokens.List, inner: Inner): HTMLElement {
  const list = made(
    ordered ? 'ol' : 'ul',
    items.map((item) =>
      made('li', [
        ...(item.task ? [document.createTextNode(item.checked ? '☑ ' : '☐ ')] : []),
        ...inner(item.tokens),
      ]),
    ),
  );
  if (ordered && typeof start === 'number' && start !== 1) list.setAttribute('start', String(start));
  return list;
}

function tableOf({ header, rows }: Tokens.Table, inner: Inner): HTMLElement {
  const row = (name: string, cells: readonly Tokens.TableCell[]) =>
    made(
      'tr',
      cells.map((cell) => made(name, inner(cell.tokens))),
    );
  return made('table', [
    made('thead', [row('th', header)]),
    made(
      'tbody',
      rows.map((cells) => row('td', cells)),
    ),
  ]);
}

function linked({ href }: { readonly href: string }, shown: Node[]): Node[] {
  if (!URL.canParse(href) || !/^(?:https?|mailto):$/.test(new URL(href).protocol)) return shown;
  const link = made('a', shown);
  link.setAttribute('href', href);
  link.setAttribute('target', '_blank');
  link.setAttribute('rel', 'noopener noreferrer nofollow');
  return [link];
}

/** What may be wider than its place is scrolled by keyboard, too. */
function scrolling(element: HTMLElement, label: string): HTMLElement {
  element.tabIndex = 0;
  element.setAttribute('role', 'group');
  element.setAttribute('aria-label', label);
  element.classList.add('scrolling');
  return element;
}

function made(name: string, children: readonly Node[] = []): HTMLElement {
  const element = document.createElement(name);
  element.append(...children);
  return element;
}
