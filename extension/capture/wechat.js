/**
 * The article editor of mp.weixin.qq.com. Addresses and selectors are private to the platform and may drift: each field
 * lists its known places, newest first, and a field that is not found is reported, never guessed.
 */

/** @typedef {import('../types').RawCapture} RawCapture */

export const wechat = {
  id: 'wechat',
  platform: 'wechat',
  editor: true,
  world: /** @type {const} */ ('ISOLATED'),

  /** @param {URL} url */
  matches: (url) => url.hostname === 'mp.weixin.qq.com' && url.pathname.startsWith('/cgi-bin/appmsg'),

  /** Whether the address names one article, and not whatever is being written. @param {URL} url */
  one: (url) => url.searchParams.has('appmsgid'),

  /** Runs inside the page, alone: it must not name anything outside itself. @returns {RawCapture} */
  read: () => {
    const text = (/** @type {string} */ list) => {
      for (const selector of list.split('|')) {
        const found = /** @type {HTMLInputElement | null} */ (document.querySelector(selector));
        const words = (found?.value ?? found?.textContent ?? '').trim();
        if (words) return words;
      }
      return '';
    };
    const frame = /** @type {HTMLIFrameElement | null} */ (document.querySelector('#ueditor_0'));
    const copy = /** @type {import('./copy.js').Copy} */ (/** @type {any} */ (globalThis)['qianfaCopy']);
    const body = document.querySelector('.ProseMirror') ?? frame?.contentDocument?.body ?? document.querySelector('.edui-body-container');
    const { html, hidden } = body ? copy(body) : { html: '', hidden: [] };
    const cover = /** @type {HTMLElement | null} */ (document.querySelector('.js_cover img, .appmsg_thumb img, .js_cover, .js_cover_preview_new'));
    const painted = /url\("?([^")]+)"?\)/.exec(cover?.style.backgroundImage ?? '');
    return {
      title: text('#title|#js_title_place|[data-id=title]'),
      summary: text('#js_description|[name=digest]'),
      author: text('#author'),
      html,
      cover: (cover instanceof HTMLImageElement ? cover.currentSrc || cover.src : '') || painted?.[1] || '',
      account: text('.weui-desktop_name|.weui-desktop-account__nickname|.weui-desktop-account__info .weui-desktop-name'),
      siteName: '', whole: true, hidden,
    };
  },
};
