// Building DOM by hand, without markup strings: text set here can never become an element.

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string | number | boolean | null | ((event: Event) => void)>} [attributes]
 *   A function is a listener (`onclick`); `true` is an empty attribute; `false` and null leave it out.
 * @param {...(Node | string | null)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === false) continue;
    if (typeof value === 'function') element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

const SVG = 'http://www.w3.org/2000/svg';

/**
 * A symbol of `icons.svg`, hidden from assistive technology: the control around it carries the name.
 * @param {string} name
 */
export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  const use = document.createElementNS(SVG, 'use');
  use.setAttribute('href', `/assets/icons.svg#${name}`);
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  svg.append(use);
  return svg;
}

/**
 * @param {string} name symbol of the sprite
 * @param {string} label its accessible name, shown as a tooltip too
 * @param {(event: Event) => void} onclick
 * @param {string} [className]
 */
export function iconButton(name, label, onclick, className = 'icon-button') {
  return h(
    'button',
    { type: 'button', class: className, 'aria-label': label, title: label, onclick },
    icon(name),
  );
}

/**
 * An element of index.html; a missing one is a defect of the page.
 * @template {HTMLElement} E
 * @param {string} id
 * @param {new () => E} type
 * @returns {E}
 */
export function byId(id, type) {
  const element = document.getElementById(id);
  if (!(element instanceof type)) throw new Error(`The page has no ${type.name} with the id "${id}".`);
  return element;
}

/** An error in words for the person at the page. @param {unknown} error */
export function messageOf(error) {
  return error instanceof Error ? error.message : 'Something went wrong.';
}
