/** What runs in the page after a site's reader, the same for every site. Each function is injected alone. */

/** @typedef {import('../types').Inventory} Inventory */

/**
 * List what the captured HTML holds and give every picture one absolute address.
 *
 * Parsed by DOMParser: nothing loads and nothing runs. Pictures without an address of their own (`data:`, `blob:`) get one
 * under `embedded.invalid`, which no network answers; `from` is where their bytes are.
 * @param {string} html @param {string} cover @returns {Inventory}
 */
export function inventory(html, cover) {
  const parsed = new DOMParser().parseFromString(html, 'text/html');
  for (const idle of parsed.querySelectorAll('script, style, template, noscript')) idle.remove();
  /** @type {Map<string, {url: string, from: string, alt: string}>} */
  const pictures = new Map();
  const place = (/** @type {string} */ spelt) => {
    let url;
    try {
      url = new URL(spelt, document.baseURI);
    } catch {
      return null;
    }
    if (!['http:', 'https:', 'data:', 'blob:'].includes(url.protocol)) return null;
    const name = ['data:', 'blob:'].includes(url.protocol) ? `https://embedded.invalid/${pictures.size + 1}` : url.href;
    return { url: name, from: url.href };
  };
  let others = 0;
  for (const image of parsed.querySelectorAll('img')) {
    const spelt = image.getAttribute('data-src') || image.getAttribute('src') || '';
    const known = [...pictures.values()].find((item) => item.from === spelt);
    const found = known ?? place(spelt);
    for (const { name } of [...image.attributes]) if (!['alt', 'style', 'width', 'height'].includes(name)) image.removeAttribute(name);
    if (!spelt || !found) {
      others += spelt ? 1 : 0;
      image.remove();
      continue;
    }
    image.setAttribute('src', found.url);
    pictures.set(found.url, { ...found, alt: image.alt });
  }
  const count = (/** @type {string} */ selector) => parsed.querySelectorAll(selector).length;
  const frames = [...parsed.querySelectorAll('iframe')];
  const players = frames.filter((frame) => /video|player|v\.qq\.com/.test(`${frame.src} ${frame.className} ${frame.getAttribute('data-src') ?? ''}`));
  const videos = count('video, mpvideo, mp-common-videosnap') + players.length;
  const audios = count('audio, mpvoice, mp-common-mpaudio');
  others += frames.length - players.length + count('object, embed, canvas');
  const art = cover ? place(cover) : null;
  const words = (parsed.body.textContent ?? '').replace(/\s/g, '').length;
  return {
    html: parsed.body.innerHTML, words, pictures: [...pictures.values()], cover: art, videos, audios, others,
  };
}

/**
 * Return a picture's bytes as base64 by the page's own rights (its cookies, its cross-origin rules), or null.
 * @param {string} from @param {number} limit @returns {Promise<string | null>}
 */
export async function readPicture(from, limit) {
  try {
    const response = await fetch(from, { signal: AbortSignal.timeout(10_000), referrerPolicy: 'strict-origin-when-cross-origin' });
    if (!response.ok) return null;
    const blob = await response.blob();
    if (blob.size === 0 || blob.size > limit) return null;
    return await new Promise((resolve) => {
      const reader = new FileReader();
      reader.onload = () => resolve(String(reader.result).split(',')[1] ?? null);
      reader.onerror = () => resolve(null);
      reader.readAsDataURL(blob);
    });
  } catch {
    return null;
  }
}
