/**
 * Hostile HTML to a safe fragment: parsed where nothing runs, then rebuilt element by element from a list of what may be.
 * Nothing is ever assigned to innerHTML, so what the parser saw is what stands there. The desk normalises again.
 */

import { PROPERTIES, spelt } from '../look.js';

const DROPPED = new Set(['script', 'style', 'template', 'noscript', 'iframe', 'object', 'embed', 'svg', 'math', 'form', 'input', 'button', 'select',
  'textarea', 'link', 'meta', 'base', 'video', 'audio', 'canvas', 'head', 'title']);
const KEPT = new Set(['p', 'section', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'ul', 'ol', 'li', 'blockquote', 'figure', 'figcaption', 'table', 'caption',
  'colgroup', 'col', 'thead', 'tbody', 'tfoot', 'tr', 'td', 'th', 'hr', 'pre', 'span', 'strong', 'em', 'b', 'i', 'u', 's', 'sup', 'sub', 'code', 'br', 'a', 'img']);
const BLOCKS = new Set(['div', 'article', 'main', 'header', 'footer', 'aside', 'nav', 'dl', 'dt', 'dd', 'address', 'center']);
const VOID = new Set(['br', 'hr', 'img', 'col']);
const WRITTEN = new Set(['href', 'alt', 'src', 'colspan', 'rowspan', 'span', 'start']);
const STEPS = 400;
const NUMBERS = new Set(['colspan', 'rowspan', 'span', 'start']);
/** Nesting that the normal form surely holds; deeper, the words stay and the boxes go. */
const DEPTH = 56;

/**
 * Return a fragment of `html` that holds words, listed elements and pictures without an address of their own: an `img`
 * carries `data-src`, the caller shows what bytes it has.
 * @param {string} html @returns {DocumentFragment}
 */
export function clean(html) {
  const parsed = new DOMParser().parseFromString(html, 'text/html');
  const fragment = document.createDocumentFragment();
  copy(parsed.body, fragment, 0);
  return fragment;
}

/**
 * Return the same fragment as HTML in one spelling: as a parser would build it, styles as the normal form spells them. What
 * the desk makes of it can be held against it.
 * @param {ParentNode & Node} root @returns {string}
 */
export function write(root) {
  const first = written(root, (element) => style(element.getAttribute('style') ?? ''));
  return written(new DOMParser().parseFromString(first, 'text/html').body, (element) => element.getAttribute('style') ?? '');
}

/** @param {Node} root @param {(element: Element) => string} look @returns {string} */
function written(root, look) {
  let html = '';
  for (const node of root.childNodes) {
    if (node.nodeType === Node.TEXT_NODE) html += escaped(node.nodeValue ?? '');
    if (node.nodeType !== Node.ELEMENT_NODE) continue;
    const element = /** @type {Element} */ (node);
    const name = element.localName;
    html += `<${name}`;
    for (const { name: key, value } of element.attributes) if (WRITTEN.has(key)) html += ` ${key}="${escaped(value)}"`;
    const styled = look(element);
    html += styled ? ` style="${escaped(styled)}">` : '>';
    if (!VOID.has(name)) html += `${written(element, look)}</${name}>`;
  }
  return html;
}

/** @param {string} value */
function escaped(value) {
  return value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

/** @param {Node} from @param {Node} into @param {number} depth */
function copy(from, into, depth) {
  for (const node of from.childNodes) {
    if (node.nodeType === Node.TEXT_NODE) into.appendChild(document.createTextNode(node.nodeValue ?? ''));
    else if (node.nodeType === Node.ELEMENT_NODE) element(/** @type {Element} */ (node), into, depth);
  }
}

/** @param {Element} from @param {Node} into @param {number} depth */
function element(from, into, depth) {
  const name = from.localName;
  if (DROPPED.has(name) || from.namespaceURI !== 'http://www.w3.org/1999/xhtml') return;
  const wanted = depth < DEPTH || name === 'img' || name === 'br';
  const made = !wanted ? null : KEPT.has(name) ? document.createElement(name) : BLOCKS.has(name) ? document.createElement('section') : null;
  if (made === null) {
    if (depth < STEPS) copy(from, into, depth + 1);
    return;
  }
  attributes(from, made);
  copy(from, made, depth + 1);
  into.appendChild(made);
}

const scratch = document.createElement('span');
const paint = document.createElement('canvas').getContext('2d');

/** @param {Element} from @param {HTMLElement} into */
function attributes(from, into) {
  for (const [name, value] of declarations(from.localName === 'br' ? '' : from.getAttribute('style') ?? '')) into.style.setProperty(name, value);
  for (const { name, value } of from.attributes) {
    if (NUMBERS.has(name) && /^[1-9]\d?$/.test(value)) into.setAttribute(name, value);
  }
  if (into.localName === 'a' && address(from.getAttribute('href'))) into.setAttribute('href', address(from.getAttribute('href')) ?? '');
  if (into.localName === 'img') {
    into.setAttribute('alt', from.getAttribute('alt') ?? '');
    into.dataset['src'] = address(from.getAttribute('data-src') ?? from.getAttribute('src')) ?? '';
  }
}

/** What the normal form can say of a style; read through a spare element, for a page's own policy does not rule that. @param {string} source @returns {[string, string][]} */
function declarations(source) {
  scratch.style.cssText = source;
  const look = scratch.style;
  const kept = /** @type {[string, string][]} */ ([]);
  for (const name of look.length ? PROPERTIES : []) {
    const value = spelt(name, look.getPropertyValue(name).replace(/[a-z][a-z-]+/gi, numbered));
    if (value !== null) kept.push([name, value]);
  }
  return kept;
}

/** @param {string} source */
function style(source) {
  return declarations(source).map((pair) => pair.join(':')).join(';');
}

/** A colour's name as numbers; any other word stays. @param {string} word */
function numbered(word) {
  if (!paint || ['transparent', 'currentcolor', 'inherit', 'initial', 'unset', 'revert'].includes(word.toLowerCase()) || !CSS.supports('color', word)) return word;
  paint.fillStyle = '#000000';
  paint.fillStyle = word;
  return String(paint.fillStyle);
}

/** An address that a link of the normal form may have. @param {string | null} value */
function address(value) {
  try {
    const url = new URL(value ?? '');
    const fine = ['http:', 'https:'].includes(url.protocol) && /^[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*\.?$|^\[[0-9a-f:.]+\]$/.test(url.hostname) && url.href.length < 2000;
    return fine ? url.href : null;
  } catch {
    return null;
  }
}
