/** What runs in the page after a site's reader, the same for every site. Each function is injected alone. */

/** @typedef {import('../types').Inventory} Inventory */

/**
 * List what the captured HTML holds, give every picture and link one absolute address, and take out what cannot be taken over.
 *
 * Parsed by DOMParser: nothing loads and nothing runs. Pictures without an address of their own (`data:`, `blob:`) get one
 * under `embedded.invalid`, which no network answers; `from` is where their bytes are.
 * @param {string} html @param {string} cover @param {string[]} unseen @returns {Inventory}
 */
export function inventory(html, cover, unseen) {
  const parsed = new DOMParser().parseFromString(html, 'text/html');
  /** @type {import('../types').Left[]} */
  const left = unseen.slice(0, 100).map((name) => ({ kind: 'hidden', name: String(name).slice(0, 200) }));
  const line = (/** @type {string | null | undefined} */ words) => (words ?? '').replace(/\s+/g, ' ').trim().slice(0, 80);
  const host = (/** @type {string | null} */ spelt) => {
    try {
      return spelt ? new URL(spelt, document.baseURI).hostname : '';
    } catch {
      return '';
    }
  };
  const called = (/** @type {Element} */ element) => {
    const given = ['title', 'aria-label', 'data-title', 'data-name', 'name', 'data-nickname', 'alt', 'data-words'].map((key) => line(element.getAttribute(key)));
    return given.find(Boolean) ?? (line(element.textContent) || host(element.getAttribute('data-src') || element.getAttribute('src') || element.querySelector('source')?.getAttribute('src') || ''));
  };
  const named = (/** @type {string} */ selector, /** @type {import('../types').Left['kind']} */ kind, fits = (/** @type {Element} */ _element) => true) => {
    for (const element of parsed.querySelectorAll(selector)) {
      if (!fits(element) || !parsed.contains(element)) continue;
      left.push({ kind, name: called(element) });
      element.remove();
    }
  };
  const player = (/** @type {Element} */ frame) => /video|player|v\.qq\.com|bilibili|youku/.test(`${frame.getAttribute('src') ?? ''} ${frame.className} ${frame.getAttribute('data-src') ?? ''}`);
  for (const idle of parsed.querySelectorAll('script, style, template, noscript, link, meta, base, title')) idle.remove();
  named('video, mpvideo, mp-common-videosnap, mp-common-video', 'video');
  named('audio, mpvoice, mp-common-mpaudio, qqmusic, mp-common-qqmusic', 'audio');
  named('iframe', 'video', player);
  named('iframe, object, embed, mp-common-profile, mp-miniprogram, mp-weapp, mpcps, mp-common-product, mp-common-poi, mp-common-vote, mpproduct, math, canvas', 'card');
  named('svg', 'drawing');

  // Hidden by its own style: display, visibility, opacity, and letters of no size or no colour.
  const walker = parsed.createTreeWalker(parsed.body, NodeFilter.SHOW_TEXT);
  const faint = [];
  for (let text = walker.nextNode(); text; text = walker.nextNode()) {
    if (!text.nodeValue?.trim()) continue;
    let away = false;
    let size = '';
    let colour = '';
    for (let element = text.parentElement; element; element = element.parentElement) {
      const look = element.style;
      size ||= look.fontSize;
      colour ||= look.color;
      away ||= Boolean(element.hidden) || look.display === 'none' || ['hidden', 'collapse'].includes(look.visibility) || (look.opacity !== '' && Number(look.opacity) === 0);
    }
    if (away || (size !== '' && parseFloat(size) === 0) || colour === 'transparent' || /^rgba\(.*, 0\)$/.test(colour)) faint.push(text);
  }
  for (const text of faint) {
    left.push({ kind: 'hidden', name: line(text.nodeValue).slice(0, 200) });
    text.nodeValue = '';
  }

  for (const element of /** @type {NodeListOf<HTMLElement>} */ (parsed.querySelectorAll('[style*="url("], [background]'))) {
    const address = /url\((["']?)(.+?)\1\)/.exec(element.style.backgroundImage)?.[2] ?? element.getAttribute('background') ?? '';
    if (address) left.push({ kind: 'background', name: line(address.startsWith('data:') ? '' : address.split(/[?#]/)[0]?.split('/').pop()) });
  }

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
  const addresses = (/** @type {Element} */ image) => {
    const several = (/** @type {string | null | undefined} */ set) => (set ?? '').split(/,\s+/).map((part) => part.trim().split(/\s+/)[0] ?? '').filter(Boolean).slice(-1);
    const lazy = ['data-src', 'data-original', 'data-lazy-src', 'data-actualsrc', 'data-echo', 'data-lazyload', 'data-backsrc'].map((key) => image.getAttribute(key) ?? '');
    const all = [...lazy, image.getAttribute('src') ?? '', ...several(image.getAttribute('data-srcset') ?? image.getAttribute('srcset')), image.getAttribute('data-noscript') ?? '',
      ...several(image.parentElement?.localName === 'picture' ? image.parentElement.querySelector('source')?.getAttribute('srcset') : '')].map((spelt) => spelt.trim()).filter(Boolean);
    const standIn = (/** @type {string} */ spelt) => /^data:image\/svg|^about:|^data:image\/(gif|png);base64,.{0,160}$/.test(spelt);
    return all.find((spelt) => !standIn(spelt)) ?? all[0] ?? '';
  };
  let lost = 0;
  for (const image of parsed.querySelectorAll('img')) {
    const spelt = addresses(image);
    const known = [...pictures.values()].find((item) => item.from === spelt);
    const found = known ?? (spelt ? place(spelt) : null);
    for (const { name } of [...image.attributes]) if (!['alt', 'style', 'width', 'height'].includes(name)) image.removeAttribute(name);
    if (!found) {
      lost += spelt ? 1 : 0;
      image.remove();
      continue;
    }
    image.setAttribute('src', found.url);
    if (!known) pictures.set(found.url, { url: found.url, from: found.from, alt: image.alt });
  }
  for (let at = 0; at < lost; at += 1) left.push({ kind: 'card', name: '' });
  for (const link of parsed.querySelectorAll('a[href]')) {
    const found = place(link.getAttribute('href') ?? '');
    if (found && !link.getAttribute('href')?.startsWith('#') && found.url === found.from) link.setAttribute('href', found.url);
    else link.removeAttribute('href');
  }
  const art = cover ? place(cover) : null;
  const words = (parsed.body.textContent ?? '').replace(/\s/g, '').length;
  return { html: parsed.body.innerHTML, words, pictures: [...pictures.values()], cover: art, left: left.slice(0, 200) };
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
