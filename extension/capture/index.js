/**
 * Capture: chosen by the page's address, run on a click, by `activeTab` alone. It reads and decides nothing; what it returns
 * is shown to the person before anything is sent.
 */

import { install } from './copy.js';
import { generic } from './generic.js';
import { inventory, readPicture } from './page.js';
import { weibo } from './weibo.js';
import { wechat } from './wechat.js';
import { wordpress } from './wordpress.js';
import { sha256 } from '../content.js';
import { keepDraft } from '../drafts.js';
import { asPicture, keepPicture } from '../pictures.js';
import { gist } from '../reading.js';

/** @typedef {import('../types').Draft} Draft */
/** @typedef {import('../types').RawCapture} RawCapture */
/** @typedef {import('../types').Inventory} Inventory */

const SITES = [wechat, weibo, wordpress, generic];
const PICTURE_LIMIT = 10 * 1024 * 1024;
const PICTURES_LIMIT = 100;
const HTML_LIMIT = 2_000_000;

/** Raised where the page cannot be read; `code` is `unsupported_page`, `page_closed` or `too_large`. */
export class CannotRead extends Error {
  /** @param {'unsupported_page' | 'page_closed' | 'too_large'} code */
  constructor(code) {
    super(code);
    this.code = code;
  }
}

/** Return the site whose reader fits an address, or null where no page can be read (the browser's own, files). @param {string} address */
export function choose(address) {
  try {
    const url = new URL(address);
    return ['http:', 'https:'].includes(url.protocol) ? SITES.find((site) => site.matches(url)) ?? null : null;
  } catch {
    return null;
  }
}

/**
 * Read the tab and keep the result as a new draft, or over the text of `into`, whose declarations stay.
 * @param {number} tab @param {Draft | null} into @returns {Promise<Draft>}
 */
export async function capture(tab, into = null) {
  const { site, url, raw, found } = await read(tab);
  const made = assemble(site, url, tab, raw, found, into);
  made.origin = site.editor ? await origin(raw, found) : '';
  await readPictures(made, tab, found);
  await keepDraft(made);
  return made;
}

/**
 * Whether the editor that a draft was captured from still says the same; null where that cannot be seen any more, because the tab
 * shows something else (an emptied editor too) or the click that allowed reading it is over.
 * @param {Draft} mine @returns {Promise<boolean | null>}
 */
export async function same(mine) {
  if (mine.tab === null || !mine.origin) return null;
  try {
    const { url, raw, found } = await read(mine.tab);
    const blank = gist(found.html) === '' && !String(raw.title ?? '').trim();
    return url === mine.url && !blank ? (await origin(raw, found)) === mine.origin : null;
  } catch {
    return null;
  }
}

/** @param {number} tab */
async function read(tab) {
  const { url = '' } = await chrome.tabs.get(tab);
  const site = choose(url);
  if (!site) throw new CannotRead('unsupported_page');
  if (site.world === 'ISOLATED') await inject(tab, 'ISOLATED', install, []);
  const raw = /** @type {RawCapture | null} */ (await inject(tab, site.world, site.read, []));
  const html = String(raw?.html ?? '');
  if (!raw || html.length > HTML_LIMIT) throw new CannotRead(raw ? 'too_large' : 'page_closed');
  const found = /** @type {Inventory} */ (await inject(tab, 'ISOLATED', inventory, [html, String(raw.cover ?? ''), Array.isArray(raw.hidden) ? raw.hidden.map(String) : []]));
  return { site, url, raw, found };
}

/** @param {RawCapture} raw @param {Inventory} found */
function origin(raw, found) {
  return sha256(new TextEncoder().encode(JSON.stringify([raw.title, raw.summary, raw.author, gist(found.html)])));
}

/** @param {number} tab @param {'ISOLATED' | 'MAIN'} world @param {(...args: any[]) => unknown} func @param {unknown[]} args */
async function inject(tab, world, func, args) {
  let results;
  try {
    results = await chrome.scripting.executeScript({ target: { tabId: tab }, world, func, args });
  } catch {
    throw new CannotRead('page_closed');
  }
  return /** @type {unknown} */ (results[0]?.result);
}

/**
 * Make the draft of what was read. Everything from the page is text or is cleaned where it is shown.
 * @param {typeof SITES[number]} site @param {string} url @param {number} tab @param {RawCapture} raw @param {Inventory} found @param {Draft | null} into
 * @returns {Draft}
 */
function assemble(site, url, tab, raw, found, into) {
  const now = new Date().toISOString();
  const line = (/** @type {unknown} */ value) => String(value ?? '').replace(/\s+/g, ' ').trim().normalize('NFC');
  const count = (/** @type {string} */ kind) => found.left.filter((item) => item.kind === kind).length;
  const reprint = { kind: /** @type {const} */ ('reprinted'), name: line(raw.siteName), url };
  return {
    id: into?.id ?? crypto.randomUUID(), made: into?.made ?? now, changed: now, site: site.id, siteName: line(raw.siteName), url,
    account: line(raw.account), tab,
    report: {
      title: line(raw.title) !== '', words: found.words, pictures: 0, cover: 0,
      missing: { videos: count('video'), audios: count('audio'), pictures: 0, others: count('card') + count('drawing') + count('background') },
      left: found.left,
    },
    title: line(raw.title), summary: line(raw.summary), author: line(raw.author) || into?.author || '',
    source: into?.source ?? (site.editor ? { kind: 'original', name: '', url: '' } : reprint),
    html: found.html, pictures: found.pictures.map(({ url: name, alt }) => ({ url: name, alt, read: false })),
    cover: found.cover?.url ?? found.pictures[0]?.url ?? null,
    facts: into?.facts ?? { category: '', sensitive: false, executives: false, external_quote: false, ai_generated: false, reprinted_pictures: false },
    channels: into?.channels ?? [], scheduled: into?.scheduled ?? null, message: into?.message ?? '', closed: false, origin: '', act: into?.act ?? null,
  };
}

/** @param {Draft} made @param {number} tab @param {Inventory} found */
async function readPictures(made, tab, found) {
  for (const { url, from, alt } of found.pictures.slice(0, PICTURES_LIMIT)) {
    const read = await readOne(made.id, tab, url, from);
    made.pictures = made.pictures.map((item) => (item.url === url ? { url, alt, read } : item));
  }
  if (found.cover) {
    const known = made.pictures.find((item) => item.url === found.cover?.url);
    const read = known ? known.read : await readOne(made.id, tab, found.cover.url, found.cover.from);
    if (!read) made.cover = null;
    made.report.cover = Number(read);
    made.report.missing.pictures += known ? 0 : Number(!read);
  } else if (!made.pictures[0]?.read) made.cover = null;
  made.report.pictures = made.pictures.filter((item) => item.read).length;
  made.report.missing.pictures += made.pictures.length - made.report.pictures;
}

/** @param {string} draft @param {number} tab @param {string} url @param {string} from @returns {Promise<boolean>} */
async function readOne(draft, tab, url, from) {
  const text = from.startsWith('data:') ? embedded(from) : await inject(tab, 'ISOLATED', readPicture, [from, PICTURE_LIMIT]).catch(() => null);
  const bytes = typeof text === 'string' ? decode(text) : await readByPermission(from);
  const blob = bytes && asPicture(bytes);
  if (!blob) return false;
  await keepPicture(draft, url, blob);
  return true;
}

/** @param {string} from */
function embedded(from) {
  const found = /^data:image\/[a-z0-9+.-]+(?:;[a-z0-9=-]+)*;base64,([A-Za-z0-9+/=\s]+)$/i.exec(from.replaceAll('%2B', '+').replaceAll('%2F', '/').replaceAll('%3D', '='));
  return found?.[1] && found[1].length < PICTURE_LIMIT * 1.4 ? found[1] : null;
}

/** @param {string} text @returns {Uint8Array | null} */
function decode(text) {
  try {
    return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  } catch {
    return null;
  }
}

/**
 * Where the page itself may not read a picture, the extension may if the person granted that host (options page, a host a
 * time); without cookies, without redirects.
 * @param {string} from @returns {Promise<Uint8Array | null>}
 */
async function readByPermission(from) {
  const url = new URL(from);
  if (url.protocol !== 'https:' || !(await chrome.permissions.contains({ origins: [`https://${url.hostname}/*`] }))) return null;
  try {
    const response = await fetch(from, { credentials: 'omit', redirect: 'error', referrerPolicy: 'no-referrer', signal: AbortSignal.timeout(10_000) });
    if (!response.ok) return null;
    const bytes = new Uint8Array(await response.arrayBuffer());
    return bytes.length <= PICTURE_LIMIT ? bytes : null;
  } catch {
    return null;
  }
}
