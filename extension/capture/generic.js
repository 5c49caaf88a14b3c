/** Any other page: what is selected, or else the main article. Such a text is somebody's already, so the panel starts with 转载. */

/** @typedef {import('../types').RawCapture} RawCapture */

export const generic = {
  id: 'generic',
  platform: '',
  editor: false,
  world: /** @type {const} */ ('ISOLATED'),

  /** @param {URL} url */
  matches: (url) => ['http:', 'https:'].includes(url.protocol),

  /** Runs inside the page, alone: it must not name anything outside itself. @returns {RawCapture} */
  read: () => {
    const meta = (/** @type {string} */ name) =>
      document.querySelector(`meta[property="${name}"], meta[name="${name}"]`)?.getAttribute('content')?.trim() ?? '';
    const picked = getSelection();
    const chosen = picked && !picked.isCollapsed && picked.toString().trim() ? picked.getRangeAt(0).cloneContents() : null;
    const weight = (/** @type {Element} */ element) => [...element.querySelectorAll('p')].reduce((sum, p) => sum + (p.textContent ?? '').trim().length, 0);
    const places = [...document.querySelectorAll('article, main, [role=main], .article, .content, #content')];
    const main = places.sort((a, b) => weight(b) - weight(a)).find((place) => weight(place) > 0) ?? document.body;
    const holder = document.createElement('div');
    holder.append(chosen ?? main.cloneNode(true));
    for (const idle of holder.querySelectorAll('script, style, noscript, nav, aside, form, header > nav, footer, button')) idle.remove();
    const heading = holder.querySelector('h1');
    const title = meta('og:title') || (document.querySelector('h1')?.textContent ?? '').trim() || document.title.trim();
    if (!chosen && heading && (heading.textContent ?? '').trim() === title) heading.remove();
    return {
      title, summary: meta('og:description') || meta('description'), author: meta('author'), html: holder.innerHTML,
      cover: chosen ? '' : meta('og:image'), account: '', siteName: meta('og:site_name') || location.hostname, whole: !chosen,
    };
  },
};
