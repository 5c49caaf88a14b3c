/**
 * Hostile HTML to a safe fragment: parsed where nothing runs, then rebuilt element by element from a list of what may be.
 * Nothing is ever assigned to innerHTML, so what the parser saw is what stands there. The desk normalises again.
 */

const DROPPED = new Set(['script', 'style', 'template', 'noscript', 'iframe', 'object', 'embed', 'svg', 'math', 'form', 'input', 'button', 'select',
  'textarea', 'link', 'meta', 'base', 'video', 'audio', 'canvas', 'head', 'title']);
const KEPT = new Set(['p', 'section', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'ul', 'ol', 'li', 'blockquote', 'figure', 'figcaption', 'table', 'caption',
  'colgroup', 'col', 'thead', 'tbody', 'tfoot', 'tr', 'td', 'th', 'hr', 'pre', 'span', 'strong', 'em', 'b', 'i', 'u', 's', 'sup', 'sub', 'code', 'br', 'a', 'img']);
const BLOCKS = new Set(['div', 'article', 'main', 'header', 'footer', 'aside', 'nav', 'dl', 'dt', 'dd', 'address', 'center']);
const NUMBERS = new Set(['colspan', 'rowspan', 'span', 'start']);
const STYLES = ['color', 'background-color', 'font-size', 'font-weight', 'font-style', 'text-align', 'text-indent', 'text-decoration', 'line-height',
  'letter-spacing', 'margin-top', 'margin-right', 'margin-bottom', 'margin-left', 'padding-top', 'padding-right', 'padding-bottom', 'padding-left',
  'border-top', 'border-right', 'border-bottom', 'border-left', 'border-radius', 'width', 'max-width', 'vertical-align', 'white-space'];
const DEPTH = 100;

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

/** @param {Node} from @param {Node} into @param {number} depth */
function copy(from, into, depth) {
  for (const node of from.childNodes) {
    if (node.nodeType === Node.TEXT_NODE) into.appendChild(document.createTextNode(node.nodeValue ?? ''));
    else if (node.nodeType === Node.ELEMENT_NODE && depth < DEPTH) element(/** @type {Element} */ (node), into, depth);
  }
}

/** @param {Element} from @param {Node} into @param {number} depth */
function element(from, into, depth) {
  const name = from.localName;
  if (DROPPED.has(name) || from.namespaceURI !== 'http://www.w3.org/1999/xhtml') return;
  const made = KEPT.has(name) ? document.createElement(name) : BLOCKS.has(name) ? document.createElement('section') : null;
  if (made === null) {
    copy(from, into, depth + 1);
    return;
  }
  attributes(from, made);
  copy(from, made, depth + 1);
  into.appendChild(made);
}

/** @param {Element} from @param {HTMLElement} into */
function attributes(from, into) {
  const look = /** @type {HTMLElement} */ (from).style;
  for (const name of STYLES) {
    const value = look?.getPropertyValue(name);
    if (value && !/url\(|expression/i.test(value)) into.style.setProperty(name, value);
  }
  for (const { name, value } of from.attributes) {
    if (NUMBERS.has(name) && /^\d{1,2}$/.test(value)) into.setAttribute(name, value);
  }
  if (into.localName === 'a' && address(from.getAttribute('href'))) into.setAttribute('href', address(from.getAttribute('href')) ?? '');
  if (into.localName === 'img') {
    into.setAttribute('alt', from.getAttribute('alt') ?? '');
    into.dataset['src'] = address(from.getAttribute('data-src') ?? from.getAttribute('src')) ?? '';
  }
}

/** @param {string | null} value */
function address(value) {
  try {
    const url = new URL(value ?? '');
    return ['http:', 'https:'].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}
