/** The body's editor: a cleaned copy of what was captured, pictures from this machine, a grey tile for each that is missing. */

import { asPicture, keepPicture, picture } from '../pictures.js';
import { clean, write } from '../ui/clean.js';
import { h } from '../ui/dom.js';
import { t } from '../words.js';

/** @typedef {import('../types').Draft} Draft */
/** @typedef {import('../types').Picture} Picture */

/** Shows one draft's body in `host` and says `changed` when the person alters it. */
export class Editor {
  /** @type {string[]} */
  #shown = [];
  #draft = '';

  /** @param {HTMLElement} host @param {() => void} changed */
  constructor(host, changed) {
    this.host = host;
    this.changed = changed;
    host.addEventListener('input', () => changed());
    host.addEventListener('paste', (event) => this.#paste(event));
    host.addEventListener('drop', (event) => void this.#drop(event));
    host.addEventListener('click', (event) => event.preventDefault());
  }

  /** @param {Draft} draft */
  async show(draft) {
    for (const address of this.#shown.splice(0)) URL.revokeObjectURL(address);
    this.#draft = draft.id;
    const fragment = clean(draft.html);
    for (const image of fragment.querySelectorAll('img')) await this.#fill(image);
    this.host.replaceChildren(fragment);
  }

  /** Give a picture its bytes, or a tile that asks for them. @param {HTMLImageElement} image */
  async #fill(image) {
    const url = image.dataset['src'] ?? '';
    const bytes = url ? await picture(this.#draft, url) : null;
    if (!bytes) {
      image.replaceWith(this.#tile(url, image.alt));
      return;
    }
    image.src = URL.createObjectURL(bytes);
    this.#shown.push(image.src);
  }

  /** @param {string} url @param {string} alt */
  #tile(url, alt) {
    const field = /** @type {HTMLInputElement} */ (h('input', { type: 'file', accept: 'image/png,image/jpeg,image/gif,image/webp' }));
    const tile = h('label', { class: 'tile', contenteditable: 'false', 'data-src': url, 'data-alt': alt }, field, h('span', {}, t('dragPicture')), h('small', {}, alt));
    field.addEventListener('change', () => void this.#place(tile, field.files?.[0] ?? null));
    return tile;
  }

  /** @param {HTMLElement} tile @param {File | null} file */
  async #place(tile, file) {
    const blob = file && asPicture(new Uint8Array(await file.arrayBuffer()));
    if (!blob) return;
    const url = tile.dataset['src'] || `https://embedded.invalid/${crypto.randomUUID()}`;
    await keepPicture(this.#draft, url, blob);
    const image = new Image();
    image.alt = tile.dataset['alt'] ?? '';
    image.dataset['src'] = url;
    tile.replaceWith(image);
    await this.#fill(image);
    this.changed();
  }

  /** @param {DragEvent} event */
  async #drop(event) {
    const file = event.dataTransfer?.files[0] ?? null;
    const target = /** @type {Element | null} */ (event.target);
    event.preventDefault();
    if (!file) return;
    const tile = /** @type {HTMLElement | null} */ (target?.closest('.tile') ?? null);
    if (tile) return this.#place(tile, file);
    const added = this.#tile('', '');
    this.host.append(h('p', {}, added));
    await this.#place(added, file);
  }

  /** @param {ClipboardEvent} event */
  #paste(event) {
    event.preventDefault();
    const html = event.clipboardData?.getData('text/html');
    const text = event.clipboardData?.getData('text/plain') ?? '';
    const fragment = html ? clean(html) : document.createDocumentFragment();
    if (!html) fragment.append(...text.split(/\n+/).filter(Boolean).map((line) => h('p', {}, line)));
    for (const image of fragment.querySelectorAll('img')) image.replaceWith(this.#tile(image.dataset['src'] ?? '', image.alt));
    const range = getSelection()?.rangeCount ? getSelection()?.getRangeAt(0) : null;
    if (range && this.host.contains(range.commonAncestorContainer)) {
      range.deleteContents();
      range.insertNode(fragment);
    } else this.host.append(fragment);
    this.changed();
  }

  /** The body as HTML in one spelling, with the pictures' own addresses, and the list of its pictures. @returns {{html: string, pictures: Picture[]}} */
  value() {
    const inert = document.implementation.createHTMLDocument('');
    const holder = inert.importNode(this.host, true);
    /** @type {Map<string, Picture>} */
    const pictures = new Map();
    for (const node of /** @type {NodeListOf<HTMLElement>} */ (holder.querySelectorAll('img, .tile'))) {
      const read = node.localName === 'img';
      const url = node.dataset['src'] || (read ? '' : `https://embedded.invalid/missing-${pictures.size + 1}`);
      const alt = (read ? node.getAttribute('alt') : node.dataset['alt']) ?? '';
      const image = inert.createElement('img');
      image.setAttribute('alt', alt);
      image.setAttribute('src', url);
      const style = node.getAttribute('style');
      if (style && read) image.setAttribute('style', style);
      node.replaceWith(image);
      if (url) pictures.set(url, { url, alt, read });
    }
    for (const mark of holder.querySelectorAll('mark')) mark.replaceWith(...mark.childNodes);
    return { html: write(holder), pictures: [...pictures.values()] };
  }

  /** The words alone, without the tiles. */
  text() {
    const walker = document.createTreeWalker(this.host, NodeFilter.SHOW_TEXT);
    let words = '';
    for (let node = walker.nextNode(); node; node = walker.nextNode()) words += node.parentElement?.closest('.tile') ? '' : `${node.nodeValue} `;
    return words.trim();
  }

  /** The words that stand here in nearly the colour of their ground: a background that was not taken over, or something hidden. @returns {string[]} */
  faint() {
    const walker = document.createTreeWalker(this.host, NodeFilter.SHOW_TEXT);
    const found = [];
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const words = (node.nodeValue ?? '').trim();
      if (words && node.parentElement && !node.parentElement.closest('.tile') && unseen(node.parentElement, this.host)) found.push(words);
    }
    return found;
  }

  /**
   * Mark the words that a note speaks of, over the borders of elements and whatever white space lies between; returns whether
   * they were found. `number` stands beside them and on the note; of several places the one nearest to `start` is meant.
   * @param {string} quote @param {number} number @param {number} [start] where the words stood in the plain text
   */
  mark(quote, number, start = 0) {
    const wanted = [...quote.replace(/\s/g, '')].join('');
    if (wanted === '') return false;
    const walker = document.createTreeWalker(this.host, NodeFilter.SHOW_TEXT);
    /** @type {{node: Text, at: number}[]} */
    const places = [];
    let text = '';
    for (let node = /** @type {Text | null} */ (walker.nextNode()); node; node = /** @type {Text | null} */ (walker.nextNode())) {
      if (node.parentElement?.closest('.tile')) continue;
      for (let at = 0; at < node.length; at += 1) {
        const letter = node.data.charAt(at);
        if (/\s/.test(letter)) continue;
        text += letter;
        places.push({ node, at });
      }
    }
    /** @type {number[]} */
    const found = [];
    for (let from = text.indexOf(wanted); from >= 0; from = text.indexOf(wanted, from + 1)) found.push(from);
    const [from] = found.sort((a, b) => Math.abs(a - start) - Math.abs(b - start));
    if (from === undefined) return false;
    wrap(places.slice(from, from + wanted.length), number);
    return true;
  }

  /** Put other words where a note's words stand. @param {number} number @param {string} words */
  take(number, words) {
    const [first, ...more] = this.host.querySelectorAll(`mark[data-note="${number}"]`);
    for (const mark of more) mark.remove();
    if (first) first.textContent = words;
  }

  /** Show the place of a note. @param {number} number */
  reveal(number) {
    const found = this.host.querySelector(`mark[data-note="${number}"]`);
    found?.scrollIntoView({ block: 'center' });
  }
}

/** Put the letters at these places into `mark` elements, one a text node. @param {{node: Text, at: number}[]} places @param {number} number */
function wrap(places, number) {
  const nodes = [...new Set(places.map(({ node }) => node))];
  for (const [turn, node] of nodes.entries()) {
    const own = places.filter((place) => place.node === node);
    const range = document.createRange();
    range.setStart(node, own[0]?.at ?? 0);
    range.setEnd(node, (own[own.length - 1]?.at ?? 0) + 1);
    range.surroundContents(h('mark', { 'data-note': number, class: turn === nodes.length - 1 ? 'last' : null }));
  }
}

/** Whether text in this element differs from its ground by less than eyes can tell. @param {Element} element @param {Element} host */
function unseen(element, host) {
  const parts = (/** @type {string} */ colour) => (colour.match(/[0-9.]+/g) ?? []).map(Number);
  const ink = parts(getComputedStyle(element).color);
  if (ink[3] === 0) return true;
  for (let node = /** @type {Element | null} */ (element); node; node = node === host ? null : node.parentElement) {
    const { backgroundColor, backgroundImage } = getComputedStyle(node);
    if (backgroundImage !== 'none') return false;
    const ground = parts(backgroundColor);
    if (ground.length < 4 || ground[3] === 1) return [0, 1, 2].every((at) => Math.abs((ink[at] ?? 0) - (ground[at] ?? 0)) < 16);
    if (ground[3] !== 0) return false;
  }
  return false;
}
