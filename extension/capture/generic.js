/** Any other page: what is selected, or else the main article. Such a text is somebody's already, so the panel starts with 转载. */

/** @typedef {import('../types').RawCapture} RawCapture */

export const generic = {
  id: 'generic',
  platform: '',
  editor: false,
  world: /** @type {const} */ ('ISOLATED'),

  /** @param {URL} url */
  matches: (url) => ['http:', 'https:'].includes(url.protocol),

  /** An article of others is nobody's draft. */
  one: () => false,

  /** Runs inside the page, alone: it must not name anything outside itself. @returns {RawCapture} */
  read: () => {
    const meta = (/** @type {string} */ name) =>
      document.querySelector(`meta[property="${name}"], meta[name="${name}"]`)?.getAttribute('content')?.trim() ?? '';
    const copy = /** @type {import('./copy.js').Copy} */ (/** @type {any} */ (globalThis)['qianfaCopy']);
    const selection = getSelection();
    const wanted = selection !== null && !selection.isCollapsed && selection.toString().trim() !== '';
    const composed = wanted ? /** @type {any} */ (selection).getComposedRanges?.({ shadowRoots: copy.shadows() })?.[0] ?? null : null;
    const picked = wanted ? (composed && !composed.collapsed ? composed : selection.getRangeAt(0)) : null;
    const weight = (/** @type {Element} */ element) => [...element.querySelectorAll('p')].reduce((sum, p) => sum + (p.textContent ?? '').trim().length, 0);
    const places = [...document.querySelectorAll('article, main, [role=main], .article, .content, #content')];
    const main = places.sort((a, b) => weight(b) - weight(a)).find((place) => weight(place) > 0) ?? document.body;
    const { html, hidden } = picked ? copy(document.body, picked) : copy(main);
    const holder = new DOMParser().parseFromString(html, 'text/html').body;
    if (!picked) for (const idle of holder.querySelectorAll('nav, aside, form, header > nav, footer, button')) idle.remove();
    const heading = holder.querySelector('h1');
    const title = meta('og:title') || (document.querySelector('h1')?.textContent ?? '').trim() || document.title.trim();
    if (!picked && heading && (heading.textContent ?? '').trim() === title) heading.remove();
    return {
      title, summary: meta('og:description') || meta('description'), author: meta('author'), html: holder.innerHTML,
      cover: picked ? '' : meta('og:image'), account: '', siteName: meta('og:site_name') || location.hostname, whole: !picked, hidden,
    };
  },
};
