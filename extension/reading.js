/**
 * What a reader sees of a text, and whether the desk's text shows the same (pure; there is no parser in a worker).
 *
 * Both sides are HTML that a serialiser wrote: ours the browser's, theirs the normal form. Each is read as one sequence of
 * letters, pictures, rules and empty boxes, every one with its link and its look. The desk may leave out what nobody can see
 * (format characters, stray marks, empty boxes) and may set white space anew; anything else is an alteration.
 */

import { spelt } from './look.js';

/** @typedef {{what: string, kind: 'letter' | 'picture' | 'box', link: string, look: string, at: number}} Sign `what` is a letter, a picture's address, or a box's name; `at` counts letters. */
/** @typedef {import('./types').Difference} Difference here `field` is body, pictures, links or look; the words around the place on both sides. */

const VOID = new Set(['br', 'hr', 'img', 'col', 'input', 'wbr']);
const TAG = /<(\/?)([a-z][a-z0-9:-]*)((?:\s+[^\s"=<>/]+(?:="[^"]*")?)*)\s*\/?>/gy;
const ATTRIBUTE = /([^\s"=<>/]+)="([^"]*)"/g;
const IMPLIED = /** @type {Record<string, string>} */ ({
  b: 'font-weight:bold', strong: 'font-weight:bold', i: 'font-style:italic', em: 'font-style:italic', u: 'text-decoration:underline',
  s: 'text-decoration:line-through', pre: 'white-space:pre', sup: 'sup:', sub: 'sub:', code: 'code:',
  h1: 'font-weight:bold', h2: 'font-weight:bold', h3: 'font-weight:bold', h4: 'font-weight:bold', h5: 'font-weight:bold', h6: 'font-weight:bold',
});
/** Letters that no content may hold, or that no reader sees alone: the desk takes them out. */
const UNSEEN = /^[\p{Cc}\p{Cf}\p{M}\u115f\u1160-\u11ff\u2800\u3164\uffa0\ufff0-\uffff\u{e0000}-\u{e0fff}]$/u;
const SPACE = /^[\s\u0085]$/u;
const AROUND = 12;

/**
 * Return how the desk's body differs from what was written, or null.
 * @param {string} mine the draft's HTML, its pictures named as the desk names them @param {string} theirs the manifest's body @returns {Difference | null}
 */
export function difference(mine, theirs) {
  const [ours, other] = [signs(mine), signs(theirs)];
  let at = 0;
  for (const [place, sign] of other.entries()) {
    while (at < ours.length && !equal(ours[at], sign) && skippable(ours[at])) at += 1;
    const wanted = ours[at];
    if (!wanted || !equal(wanted, sign)) return told(field(ours, other), ours, at, other, place);
    if (wanted.link !== sign.link) return told('links', ours, at, other, place);
    if (wanted.look !== sign.look) return told('look', ours, at, other, place);
    at += 1;
  }
  while (at < ours.length && skippable(ours[at])) at += 1;
  return at < ours.length ? told(field(ours, other), ours, at, other, other.length) : null;
}

/** Whether two lines of text read the same. @param {string} mine @param {unknown} theirs */
export function sameLine(mine, theirs) {
  const escaped = (/** @type {string} */ value) => value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  return typeof theirs === 'string' && difference(escaped(mine), escaped(theirs)) === null;
}

/** An address as it is compared: percent-encoded where a browser or the desk may have done so. @param {string} value */
export function sameAddress(value) {
  let address = value;
  try {
    address = new URL(value).href;
  } catch {
    return value;
  }
  return address.replace(/%(?![0-9a-f]{2})/gi, '%25').replace(/%[0-9a-f]{2}/gi, (code) => code.toUpperCase())
    .replace(/[^A-Za-z0-9\-._~:@!$&'()*+,;=/?%#]/gu, (letter) => encodeURIComponent(letter)).replaceAll("'", '%27').replace(/\?(?=#|$)|#$/g, '');
}

/** What a text says, without its look: to notice that an editor's text has changed. @param {string} html @returns {string} */
export function gist(html) {
  return signs(html).filter(({ kind, what }) => kind === 'picture' || (kind === 'letter' && !UNSEEN.test(what))).map(({ what, link }) => `${what}${link && ` ${link} `}`).join('');
}

/** @param {Sign | undefined} one @param {Sign} two */
function equal(one, two) {
  return one !== undefined && one.kind === two.kind && one.what === two.what;
}

/** @param {Sign | undefined} sign */
function skippable(sign) {
  return sign !== undefined && ((sign.kind === 'letter' && UNSEEN.test(sign.what)) || (sign.kind === 'box' && sign.what !== 'hr'));
}

/** Whether it is the pictures that differ, or the words between them. @param {Sign[]} ours @param {Sign[]} other */
function field(ours, other) {
  const pictures = (/** @type {Sign[]} */ list) => list.filter(({ kind }) => kind === 'picture').map(({ what }) => what).join('\n');
  return pictures(ours) === pictures(other) ? 'body' : 'pictures';
}

/** @param {string} name @param {Sign[]} ours @param {number} at @param {Sign[]} other @param {number} place @returns {Difference} */
function told(name, ours, at, other, place) {
  const words = (/** @type {Sign[]} */ list, /** @type {number} */ from) => (
    list.slice(Math.max(0, from - AROUND), from + AROUND).map(({ kind, what }) => (kind === 'letter' ? what : kind === 'picture' ? '▣' : '')).join('').normalize('NFC'));
  return { field: name, mine: words(ours, at), theirs: words(other, place) };
}

/** @param {string} html @returns {Sign[]} */
function signs(html) {
  /** @type {Sign[]} */
  const found = [];
  /** @type {{name: string, link: string, look: string, styled: boolean, from: number}[]} */
  const open = [{ name: '', link: '', look: '', styled: false, from: 0 }];
  let at = 0;
  const top = () => /** @type {typeof open[number]} */ (open[open.length - 1]);
  const put = (/** @type {string} */ what, /** @type {Sign['kind']} */ kind, look = top().look) => found.push({ what, kind, link: top().link, look, at: found.length });
  while (at < html.length) {
    TAG.lastIndex = at;
    const tag = html[at] === '<' ? TAG.exec(html) : null;
    if (tag) {
      at = TAG.lastIndex;
      const [, closing, name = '', more = ''] = tag;
      if (closing) close(open, name, found, put);
      else if (VOID.has(name)) empty(name, more, top(), put);
      else open.push(child(top(), name, more, found.length));
      continue;
    }
    const end = html.indexOf('<', at + 1);
    for (const letter of decode(html.slice(at, end < 0 ? html.length : end)).normalize('NFD')) if (!SPACE.test(letter)) put(letter, 'letter');
    at = end < 0 ? html.length : end;
  }
  return found;
}

/** @param {{name: string, link: string, look: string, styled: boolean, from: number}[]} open @param {string} name @param {Sign[]} found @param {(what: string, kind: Sign['kind'], look?: string) => void} put */
function close(open, name, found, put) {
  const level = open.map((item) => item.name).lastIndexOf(name);
  if (level < 1) return;
  const [ended] = open.splice(level);
  if (ended?.styled && ended.from === found.length) put('box', 'box', ended.look);
}

/** @param {string} name @param {string} more @param {{look: string}} parent @param {(what: string, kind: Sign['kind'], look?: string) => void} put */
function empty(name, more, parent, put) {
  const given = attributes(more);
  if (name === 'img' && given['src']) put(`${given['src']} ${[...(given['alt'] ?? '').normalize('NFD')].filter((letter) => !SPACE.test(letter) && !UNSEEN.test(letter)).slice(0, 200).join('')}`, 'picture', joined(parent.look, looks('img', given)));
  else if (name === 'br' || name === 'hr') put(name, 'box', name === 'hr' ? joined(parent.look, looks('hr', given)) : parent.look);
}

/** @param {{link: string, look: string}} parent @param {string} name @param {string} more @param {number} from */
function child(parent, name, more, from) {
  const given = attributes(more);
  const own = looks(name, given);
  return { name, link: name === 'a' && given['href'] ? sameAddress(given['href']) : parent.link, look: joined(parent.look, own), styled: own.some((item) => !item.endsWith(':')), from };
}

/** The declarations of an element, and what its name stands for; a declaration of its own wins. @param {string} name @param {Record<string, string>} given @returns {string[]} */
function looks(name, given) {
  const own = [];
  for (const declaration of (given['style'] ?? '').split(';')) {
    const [, property = '', value = ''] = /^\s*([a-z-]+)\s*:\s*(.+?)\s*$/s.exec(declaration) ?? [];
    if (property) own.push(`${property}:${spelt(property, value) ?? value}`);
  }
  const implied = IMPLIED[name];
  if (implied && !own.some((item) => item.startsWith(implied.slice(0, implied.indexOf(':') + 1)))) own.push(implied);
  if (name === 'ol') own.push(`ol${Number(given['start'] ?? 1)}:`);
  return own;
}

/** @param {string} before @param {string[]} own */
function joined(before, own) {
  return own.length ? [...new Set([...before.split(';').filter(Boolean), ...own])].sort().join(';') : before;
}

/** @param {string} more @returns {Record<string, string>} */
function attributes(more) {
  return Object.fromEntries([...more.matchAll(ATTRIBUTE)].map(([, name, value = '']) => [name, decode(value)]));
}

/** @param {string} value */
function decode(value) {
  return value.replaceAll('&nbsp;', '\u00a0').replaceAll('&quot;', '"').replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
}
