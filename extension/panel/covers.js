/** The cover: one of the article's pictures or one's own, whole or cut to the shape that a platform shows. */

import { asPicture, keepPicture, picture } from '../pictures.js';
import { h } from '../ui/dom.js';
import { t } from '../words.js';

/** @typedef {import('../types').Draft} Draft */

const SHAPES = /** @type {const} */ ([['cropWide', 2.35], ['cropSquare', 1]]);
const LONGEST = 2000;

/**
 * @param {HTMLElement} host @param {HTMLElement} cutting @param {Draft} mine
 * @param {(url: string) => void} chosen called with the address of the cover's bytes in the picture store
 */
export async function drawCovers(host, cutting, mine, chosen) {
  const urls = [...new Set([...(mine.cover ? [mine.cover] : []), ...mine.pictures.filter((item) => item.read).map((item) => item.url)])];
  const drawn = JSON.stringify([mine.id, urls, mine.cover]);
  if (host.dataset['drawn'] === drawn) return;
  host.dataset['drawn'] = drawn;
  const tiles = [];
  for (const url of urls) {
    const bytes = await picture(mine.id, url);
    if (!bytes) continue;
    const image = /** @type {HTMLImageElement} */ (h('img', { src: URL.createObjectURL(bytes), alt: t('cover'), onload: () => URL.revokeObjectURL(image.src) }));
    tiles.push(h('button', { type: 'button', role: 'radio', 'aria-checked': String(url === mine.cover), class: 'coverTile', onclick: () => chosen(url) }, image));
  }
  const pick = h('input', { type: 'file', accept: 'image/png,image/jpeg,image/gif,image/webp', onchange: (/** @type {Event} */ event) => void own(event, mine, chosen) });
  host.replaceChildren(...tiles, h('label', { class: 'tile coverTile' }, pick, h('span', {}, t('dragPicture'))));
  const bytes = mine.cover ? await picture(mine.id, mine.cover) : null;
  cutting.replaceChildren(...(bytes && mine.cover ? await cutter(bytes, mine, chosen) : []));
}

/** @param {Event} event @param {Draft} mine @param {(url: string) => void} chosen */
async function own(event, mine, chosen) {
  const file = /** @type {HTMLInputElement} */ (event.target).files?.[0];
  const blob = file && asPicture(new Uint8Array(await file.arrayBuffer()));
  if (blob) chosen(await kept(mine, blob));
}

/** @param {Draft} mine @param {Blob} blob */
async function kept(mine, blob) {
  const url = `https://embedded.invalid/${crypto.randomUUID()}`;
  await keepPicture(mine.id, url, blob);
  return url;
}

/** The buttons for a shape; then what it would show, and where to cut. @param {Blob} bytes @param {Draft} mine @param {(url: string) => void} chosen */
async function cutter(bytes, mine, chosen) {
  const image = await createImageBitmap(bytes).catch(() => null);
  if (!image) return [];
  const view = h('div', {});
  const begin = (/** @type {HTMLElement} */ button, /** @type {number} */ shape) => {
    for (const other of row.querySelectorAll('button')) other.setAttribute('aria-pressed', String(other === button));
    view.replaceChildren(...cut(image, shape, (blob) => void kept(mine, blob).then(chosen)));
  };
  const buttons = SHAPES.filter(([, shape]) => Math.abs(image.width / image.height - shape) > 0.01).map(([key, shape]) => {
    const button = h('button', { type: 'button', class: 'button small', 'aria-pressed': 'false', 'data-shape': shape, onclick: () => begin(button, shape) }, t(key));
    return button;
  });
  const row = h('div', { class: 'cropRow' }, h('span', { class: 'meta' }, t('crop')), ...buttons);
  return buttons.length ? [row, view] : [];
}

/** @param {ImageBitmap} image @param {number} shape width over height @param {(blob: Blob) => void} done */
function cut(image, shape, done) {
  const wide = image.width / image.height > shape;
  const size = wide ? { width: Math.round(image.height * shape), height: image.height } : { width: image.width, height: Math.round(image.width / shape) };
  const scale = Math.min(1, LONGEST / size.width);
  const canvas = /** @type {HTMLCanvasElement} */ (h('canvas', { width: Math.round(size.width * scale), height: Math.round(size.height * scale), role: 'img', 'aria-label': t('cover') }));
  const place = /** @type {HTMLInputElement} */ (h('input', { type: 'range', min: 0, max: 1000, value: 500, 'aria-label': t('cropPlace'), oninput: () => paint() }));
  const paint = () => {
    const share = Number(place.value) / 1000;
    const [x, y] = wide ? [(image.width - size.width) * share, 0] : [0, (image.height - size.height) * share];
    canvas.getContext('2d')?.drawImage(image, x, y, size.width, size.height, 0, 0, canvas.width, canvas.height);
  };
  paint();
  const keep = () => canvas.toBlob((blob) => { if (blob) done(blob); }, 'image/png');
  return [h('div', { class: 'crop' }, canvas), h('div', { class: 'cropRow' }, place, h('button', { type: 'button', id: 'cropKeep', class: 'button small', onclick: keep }, t('cropKeep')))];
}
