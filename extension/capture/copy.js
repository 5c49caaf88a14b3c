/**
 * A copy of what can be seen. It is put into the page's isolated world before a site's reader runs, which then calls
 * `qianfaCopy`; the page's own scripts cannot reach it there.
 */

/** @typedef {{html: string, hidden: string[]}} Copied `hidden` are the words that stand in the page and cannot be seen. */
/** @typedef {((root: Node, picked?: StaticRange | Range | null) => Copied) & {shadows: () => ShadowRoot[]}} Copy `shadows` are all shadow trees of the document. */

/** Runs inside the page, alone: it must not name anything outside itself. */
export function install() {
  const IDLE = new Set(['script', 'style', 'template', 'link', 'meta', 'base', 'head', 'title', 'input', 'textarea', 'select', 'option', 'datalist']);
  const SHALLOW = new Set(['svg', 'math', 'canvas', 'video', 'audio', 'iframe', 'object', 'embed']);
  const EDITORS_OWN = '.ProseMirror-separator, .ProseMirror-trailingBreak, .ProseMirror-gapcursor, .mce-visual-caret, .mce-offscreen-selection';

  /** @param {Element} element @returns {ShadowRoot | null} */
  const shadowOf = (element) => {
    try {
      return /** @type {any} */ (globalThis)['chrome']?.dom?.openOrClosedShadowRoot?.(element) ?? element.shadowRoot;
    } catch {
      return element.shadowRoot;
    }
  };

  /** What a reader sees inside, in order. @param {Element | ShadowRoot | DocumentFragment} node @returns {Node[]} */
  const childrenOf = (node) => {
    if (!(node instanceof Element) && !('localName' in node)) return [...node.childNodes];
    const element = /** @type {Element} */ (node);
    const inner = shadowOf(element);
    if (inner) return [...inner.childNodes];
    const given = element.localName === 'slot' ? /** @type {HTMLSlotElement} */ (element).assignedNodes({ flatten: true }) : [];
    return given.length ? given : [...element.childNodes];
  };

  /** The colour behind an element, or null where it is a picture or mixed. @param {CSSStyleDeclaration} look @param {string | null} before */
  const behind = (look, before) => {
    if (look.backgroundImage !== 'none') return null;
    if (/^rgba\(.*, 0\)$|^transparent$/.test(look.backgroundColor)) return before;
    return look.backgroundColor.startsWith('rgb(') ? look.backgroundColor : null;
  };

  /** Whether an element is taken out of sight as a whole. @param {Element} element @param {CSSStyleDeclaration} look */
  const gone = (element, look) => {
    if (look.display === 'none' || Number(look.opacity) === 0 || parseFloat(look.textIndent) < -500) return true;
    if (!['absolute', 'fixed'].includes(look.position)) return false;
    const box = element.getBoundingClientRect();
    return (box.width <= 1 && box.height <= 1 && look.overflow !== 'visible') || box.right < -200 || box.bottom + scrollY < -200 || /^rect\(0(px)?,? 0(px)?,? 0(px)?,? 0(px)?\)$/.test(look.clip);
  };

  /** @param {Text} text @param {CSSStyleDeclaration} look @param {string | null} back */
  const unseen = (text, look, back) => {
    if (look.visibility !== 'visible' || parseFloat(look.fontSize) < 1 || /^rgba\(.*, 0\)$/.test(look.color)) return true;
    if (back !== null && look.color === back) return true;
    const folded = text.parentElement?.closest('details:not([open])');
    if (folded && !text.parentElement?.closest('summary')) return true;
    const range = text.ownerDocument.createRange();
    range.selectNodeContents(text);
    return ![...range.getClientRects()].some(({ width, height }) => width > 0 && height > 0);
  };

  /** @param {Node} root @param {StaticRange | Range | null} picked @returns {Copied} */
  const copy = (root, picked = null) => {
    const view = root.ownerDocument?.defaultView ?? window;
    const made = document.implementation.createHTMLDocument('');
    /** @type {string[]} */
    const hidden = [];
    let inside = picked === null;
    const hide = (/** @type {string | null} */ words) => {
      const line = (words ?? '').replace(/\s+/g, ' ').trim();
      if (line && inside) hidden.push(line.slice(0, 200));
    };

    /** @param {Text} node @param {Node} into @param {CSSStyleDeclaration} look @param {string | null} back */
    const text = (node, into, look, back) => {
      const from = picked && node === picked.startContainer ? picked.startOffset : 0;
      if (picked && node === picked.startContainer) inside = true;
      const to = picked && node === picked.endContainer ? picked.endOffset : node.data.length;
      const words = inside ? node.data.slice(from, to) : '';
      if (words.trim() !== '' && unseen(node, look, back)) hide(words);
      else if (words) into.appendChild(made.createTextNode(words));
      if (picked && node === picked.endContainer) inside = false;
    };

    /** Take an element as a whole, or leave it; a selection may begin or end in what is left. @param {Element} element @param {Node} into @param {CSSStyleDeclaration} look @returns {boolean} */
    const whole = (element, into, look) => {
      const name = element.localName;
      if (name === 'noscript') lazy(element, into);
      else if (name === 'img' && !gone(element, look)) image(/** @type {HTMLImageElement} */ (element), into);
      else if (SHALLOW.has(name)) into.appendChild(look.display !== 'none' && inside ? shell(element, name) : made.createTextNode(''));
      else if (IDLE.has(name) || element.matches(EDITORS_OWN)) hide('');
      else if (gone(element, look)) hide(element.textContent);
      else return false;
      if (picked && element.contains(picked.startContainer)) inside = true;
      if (picked && element.contains(picked.endContainer)) inside = false;
      return true;
    };

    /** @param {Element} element @param {Node} into @param {string | null} before */
    const walk = (element, into, before) => {
      const look = view.getComputedStyle(element);
      if (whole(element, into, look)) return;
      const name = element.localName;
      const holder = made.createDocumentFragment();
      across(element, holder, look, behind(look, before));
      if (picked !== null && !holder.hasChildNodes() && !(inside && ['br', 'hr', 'td', 'th'].includes(name))) return;
      const custom = name.includes('-') && holder.hasChildNodes();
      const shown = shell(element, name === 'slot' ? 'span' : !custom ? name : /^inline|^contents/.test(look.display) ? 'span' : 'section');
      shown.append(holder);
      into.appendChild(shown);
    };

    /** @param {Element | ShadowRoot | DocumentFragment} node @param {Node} into @param {CSSStyleDeclaration} look @param {string | null} back */
    const across = (node, into, look, back) => {
      for (const [at, child] of childrenOf(node).entries()) {
        if (picked && node === picked.startContainer && at === picked.startOffset) inside = true;
        if (picked && node === picked.endContainer && at === picked.endOffset) inside = false;
        if (child.nodeType === Node.TEXT_NODE) text(/** @type {Text} */ (child), into, look, back);
        else if (child.nodeType === Node.ELEMENT_NODE) walk(/** @type {Element} */ (child), into, back);
      }
      if (picked && node === picked.endContainer && picked.endOffset >= node.childNodes.length) inside = false;
    };

    /** An element alone, without what listens. @param {Element} element @param {string} name */
    const shell = (element, name) => {
      const alone = made.createElement(name);
      for (const { name: key, value } of element.attributes) if (/^[a-z][a-z0-9_-]*$/.test(key) && !key.startsWith('on')) alone.setAttribute(key, value);
      if (name === 'svg') alone.setAttribute('data-words', (element.textContent ?? '').trim().slice(0, 60));
      return alone;
    };

    /** A picture; a spot that only counts visitors is none. @param {HTMLImageElement} element @param {Node} into */
    const image = (element, into) => {
      if (!inside) return;
      if (element.complete && element.naturalWidth > 0 && element.naturalWidth <= 2 && !element.dataset['src'] && !element.src.startsWith('data:')) return;
      into.appendChild(shell(element, 'img'));
    };

    /** The picture that a page keeps for browsers without scripts, where the one before is only a place-holder. @param {Element} element @param {Node} into */
    const lazy = (element, into) => {
      const before = into.lastChild;
      const kept = new DOMParser().parseFromString(element.textContent ?? '', 'text/html').querySelector('img[src]');
      if (kept && before?.nodeName === 'IMG') /** @type {Element} */ (before).setAttribute('data-noscript', kept.getAttribute('src') ?? '');
    };

    const top = root.nodeType === Node.ELEMENT_NODE ? /** @type {Element} */ (root) : root.parentElement ?? document.documentElement;
    /** @type {string | null} */
    let back = 'rgb(255, 255, 255)';
    const above = [];
    for (let node = /** @type {Element | null} */ (top.parentElement); node; node = node.parentElement) above.unshift(node);
    for (const node of above) back = behind(view.getComputedStyle(node), back);
    const look = view.getComputedStyle(top);
    across(top, made.body, look, behind(look, back));
    return { html: made.body.innerHTML, hidden };
  };

  /** @param {ParentNode} root @returns {ShadowRoot[]} */
  const shadows = (root = document) => [...root.querySelectorAll('*')].flatMap((element) => {
    const inner = shadowOf(element);
    return inner ? [inner, ...shadows(inner)] : [];
  });
  /** @type {any} */ (globalThis)['qianfaCopy'] = Object.assign(copy, { shadows: () => shadows() });
}
