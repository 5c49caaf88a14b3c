/** The composers of weibo.com: the short post, and the long article of card.weibo.com. Selectors may drift. */

/** @typedef {import('../types').RawCapture} RawCapture */

export const weibo = {
  id: 'weibo',
  platform: 'weibo',
  editor: true,
  world: /** @type {const} */ ('ISOLATED'),

  /** @param {URL} url */
  matches: (url) => ['weibo.com', 'www.weibo.com', 'card.weibo.com'].includes(url.hostname),

  /** Whether the address names one article, and not whatever is being written. @param {URL} url */
  one: (url) => url.pathname.startsWith('/article/') && /\d/.test(url.hash + url.search),

  /** Runs inside the page, alone: it must not name anything outside itself. @returns {RawCapture} */
  read: () => {
    const value = (/** @type {string} */ selector) => {
      const found = /** @type {HTMLInputElement | null} */ (document.querySelector(selector));
      return (found?.value ?? found?.textContent ?? '').trim();
    };
    const account = value('[class*="Nav_user"] [title]') || document.querySelector('a[href^="/u/"][title]')?.getAttribute('title') || '';
    const cover = /** @type {HTMLImageElement | null} */ (document.querySelector('.cover_img img, [class*="cover"] img'));
    const article = document.querySelector('.WB_editor_iframe_new .ProseMirror, .ProseMirror, .WB_editor_iframe_new');
    if (article) {
      const copy = /** @type {import('./copy.js').Copy} */ (/** @type {any} */ (globalThis)['qianfaCopy']);
      const { html, hidden } = copy(article);
      return {
        title: value('textarea[placeholder*="标题"], input[placeholder*="标题"]'), summary: value('textarea[placeholder*="导语"]'), author: '',
        html, cover: cover?.currentSrc || cover?.src || '', account, siteName: '', whole: true, hidden,
      };
    }
    const holder = document.createElement('div');
    const box = /** @type {HTMLTextAreaElement | null} */ (document.querySelector('textarea[placeholder*="新鲜事"], textarea[node-type="textEl"]'));
    for (const words of (box?.value ?? '').split('\n').filter((part) => part.trim())) {
      holder.append(Object.assign(document.createElement('p'), { textContent: words }));
    }
    for (const picture of document.querySelectorAll('[class*="picbed"] img, [class*="Upload"] img, .WB_composer img')) {
      const paragraph = document.createElement('p');
      paragraph.append(Object.assign(new Image(), { src: /** @type {HTMLImageElement} */ (picture).src }));
      holder.append(paragraph);
    }
    return { title: '', summary: '', author: '', html: holder.innerHTML, cover: '', account, siteName: '', whole: true };
  },
};
