/**
 * Content, version 1, as docs/spec/content.md describes it: canonical bytes, digest, and the manifest's own rules.
 *
 * What is recomputed here is what people sign. The body's grammar is the enforcer's to recognise; this file binds the body's
 * pictures and links to the manifest, refuses every other spelling of the bytes, and hashes. tests/vectors/content holds it
 * equal to Python.
 */

const LIMITS = /** @type {const} */ ({ title: 64, summary: 120, author: 64, sourceName: 128, alt: 256, media: 100, bytes: 768 * 1024 });
const KEYS = ['v', 'kind', 'title', 'summary', 'author', 'source', 'body', 'media', 'links'];
const MEDIA_KEYS = ['role', 'type', 'length', 'sha256', 'width', 'height', 'alt'];
const SOURCE_KEYS = ['kind', 'name', 'url'];
const SOURCE_KINDS = ['original', 'contributed', 'reprinted', 'compiled'];
const MEDIA_TYPES = ['image/jpeg', 'image/png', 'image/gif'];
const DIGEST = /^sha256:[0-9a-f]{64}$/;
const MAX_DEPTH = 64;
const MAX_SIDE = 16384;
const MAX_PICTURE = 10 * 1024 * 1024;

/** Raised where bytes are no content; `reason` and `field` are those of docs/spec/content.md section 5. */
export class NotContent extends Error {
  /** @param {string} reason @param {string} field */
  constructor(reason, field) {
    super(`${reason} in ${field}`);
    this.reason = reason;
    this.field = field;
  }
}

/**
 * Return the canonical text (RFC 8785, narrowed) of a JSON value.
 *
 * Keys are ASCII, numbers whole and below 2^53, strings hold no lone surrogate; anything else raises `NotContent`.
 * @param {unknown} value @param {number} [depth] @returns {string}
 */
export function canonical(value, depth = 0) {
  if (value === null || typeof value === 'boolean') return JSON.stringify(value);
  if (typeof value === 'string') {
    if (!wellFormed(value)) throw new NotContent('not_canonical', '');
    return JSON.stringify(value);
  }
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) throw new NotContent('not_canonical', '');
    return String(value);
  }
  if (typeof value !== 'object' || depth >= MAX_DEPTH) throw new NotContent('not_canonical', '');
  if (Array.isArray(value)) return `[${value.map((item) => canonical(item, depth + 1)).join(',')}]`;
  const record = /** @type {Record<string, unknown>} */ (value);
  const keys = Object.keys(record).sort();
  if (keys.some((key) => !/^[\0-\x7f]*$/.test(key))) throw new NotContent('not_canonical', '');
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonical(record[key], depth + 1)}`).join(',')}}`;
}

/** @param {string} text */
function wellFormed(text) {
  return !/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(text);
}

/** Return `sha256:…` of bytes. @param {Uint8Array | ArrayBuffer} bytes @returns {Promise<string>} */
export async function sha256(bytes) {
  const hash = await crypto.subtle.digest('SHA-256', /** @type {BufferSource} */ (bytes));
  return `sha256:${[...new Uint8Array(hash)].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}

/** Return the digest of a manifest that obeys the format; raise `NotContent` else. @param {unknown} manifest @returns {Promise<string>} */
export async function digest(manifest) {
  check(manifest);
  return sha256(new TextEncoder().encode(canonical(manifest)));
}

/** Return the manifest whose canonical bytes are exactly `bytes`; raise `NotContent` else. @param {Uint8Array} bytes @returns {unknown} */
export function parse(bytes) {
  if (bytes.length > LIMITS.bytes) throw new NotContent('not_canonical', '');
  let text = '';
  let value;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    value = JSON.parse(text);
  } catch {
    throw new NotContent('not_canonical', '');
  }
  if (canonical(value) !== text) throw new NotContent('not_canonical', '');
  check(value);
  return value;
}

/** Return the digest of the exact bytes, once they are known to be content. @param {Uint8Array} bytes @returns {Promise<string>} */
export async function digestOf(bytes) {
  parse(bytes);
  return sha256(bytes);
}

/** A digest as people compare it: eight groups of four. @param {string} value @param {number} [groups] @returns {string} */
export function fingerprint(value, groups = 8) {
  return (value.slice('sha256:'.length).match(/.{4}/g) ?? []).slice(0, groups).join(' ');
}

/** Count characters as the format does: code points. @param {string} text */
export function length(text) {
  return [...text].length;
}

/** @param {unknown} value */
function check(value) {
  const top = object(value, KEYS, '');
  if (top['v'] !== 1) throw new NotContent('version', 'v');
  if (top['kind'] !== 'article') throw new NotContent('kind', 'kind');
  const source = object(top['source'], SOURCE_KEYS, 'source');
  line(text(top['title'], 'title'), 'title', LIMITS.title);
  line(text(top['summary'], 'summary'), 'summary', LIMITS.summary);
  line(text(top['author'], 'author'), 'author', LIMITS.author);
  line(text(source['name'], 'source.name'), 'source.name', LIMITS.sourceName);
  if (!SOURCE_KINDS.includes(text(source['kind'], 'source.kind'))) throw new NotContent('source_kind', 'source.kind');
  const url = text(source['url'], 'source.url');
  if (url && !isAddress(url)) throw new NotContent('link', 'source.url');
  const body = text(top['body'], 'body');
  const media = list(top['media'], 'media').map((item, at) => mediaItem(item, at));
  const links = list(top['links'], 'links').map((item, at) => text(item, `links.${at}`));
  sameShapes(media);
  bound(body, media, links);
}

/** @param {unknown} value @param {string[]} keys @param {string} field @returns {Record<string, unknown>} */
function object(value, keys, field) {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new NotContent('type', field);
  const dotted = (/** @type {string} */ key) => (field ? `${field}.${key}` : key);
  const missing = keys.find((key) => !Object.hasOwn(value, key));
  if (missing !== undefined) throw new NotContent('key_missing', dotted(missing));
  const unknown = Object.keys(value).sort().find((key) => !keys.includes(key));
  if (unknown !== undefined) throw new NotContent('key_unknown', dotted(unknown));
  return /** @type {Record<string, unknown>} */ (value);
}

/** @param {unknown} value @param {string} field @returns {string} */
function text(value, field) {
  if (typeof value !== 'string') throw new NotContent('type', field);
  return value;
}

/** @param {unknown} value @param {string} field @returns {unknown[]} */
function list(value, field) {
  if (!Array.isArray(value)) throw new NotContent('type', field);
  return value;
}

/** @param {unknown} value @param {string} field @returns {number} */
function whole(value, field) {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw new NotContent('type', field);
  return value;
}

/** One line: length in code points, no control characters, NFC, no space at the ends. @param {string} value @param {string} field @param {number} longest */
function line(value, field, longest) {
  if (length(value) > longest) throw new NotContent('too_long', field);
  if (/[\x00-\x1f\x7f-\x9f]/.test(value)) throw new NotContent('character', field);
  if (value.normalize('NFC') !== value) throw new NotContent('not_nfc', field);
  if (/^\s|\s$/u.test(value)) throw new NotContent('edge_space', field);
}

/** @typedef {{role: string, type: string, length: number, sha256: string, width: number, height: number, alt: string}} Media */

/** @param {unknown} value @param {number} at @returns {Media} */
function mediaItem(value, at) {
  const field = `media.${at}`;
  const raw = object(value, MEDIA_KEYS, field);
  const item = {
    role: text(raw['role'], `${field}.role`), type: text(raw['type'], `${field}.type`), length: whole(raw['length'], `${field}.length`),
    sha256: text(raw['sha256'], `${field}.sha256`), width: whole(raw['width'], `${field}.width`),
    height: whole(raw['height'], `${field}.height`), alt: text(raw['alt'], `${field}.alt`),
  };
  if (at >= LIMITS.media) throw new NotContent('too_many', 'media');
  if (!['cover', 'body'].includes(item.role) || (item.role === 'cover' && at > 0)) throw new NotContent('role', `${field}.role`);
  if (!MEDIA_TYPES.includes(item.type)) throw new NotContent('media_type', `${field}.type`);
  if (item.length < 1 || item.length > MAX_PICTURE) throw new NotContent('length', `${field}.length`);
  if (Math.min(item.width, item.height) < 1 || Math.max(item.width, item.height) > MAX_SIDE) throw new NotContent('dimensions', field);
  if (!DIGEST.test(item.sha256)) throw new NotContent('digest', `${field}.sha256`);
  line(item.alt, `${field}.alt`, LIMITS.alt);
  return item;
}

/** One digest has one type, length and size. @param {Media[]} media */
function sameShapes(media) {
  /** @type {Map<string, string>} */
  const shapes = new Map();
  for (const [at, item] of media.entries()) {
    const shape = `${item.type} ${item.length} ${item.width} ${item.height}`;
    if ((shapes.get(item.sha256) ?? shape) !== shape) throw new NotContent('media_differs', `media.${at}`);
    shapes.set(item.sha256, shape);
  }
}

/** The body's pictures are the media, in order; its links are the links. @param {string} body @param {Media[]} media @param {string[]} links */
function bound(body, media, links) {
  /** @type {Map<string, string>} */
  const alts = new Map();
  for (const [, alt = '', name = ''] of body.matchAll(/<img alt="([^"]*)" src="media:(sha256:[0-9a-f]{64})"/g)) {
    const words = decode(alt);
    if ((alts.get(name) ?? words) !== words) throw new NotContent('alt_differs', 'body');
    alts.set(name, words);
  }
  const listed = media.filter((item) => item.role === 'body').map((item) => [item.sha256, item.alt]);
  if (JSON.stringify(listed) !== JSON.stringify([...alts])) throw new NotContent('media_order', 'media');
  const found = new Set([...body.matchAll(/<a href="([^"]*)"/g)].map((hit) => decode(hit[1] ?? '')));
  if (JSON.stringify(links) !== JSON.stringify([...found].sort())) throw new NotContent('links', 'links');
}

/** @param {string} value */
function decode(value) {
  return value.replaceAll('&quot;', '"').replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
}

/** @param {string} value */
function isAddress(value) {
  return value.length <= 2048 && /^https?:\/\/[a-z0-9.-]+(:\d+)?\/[!-~]*$/.test(value);
}
