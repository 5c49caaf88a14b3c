/**
 * WordPress: the block editor and the classic editor, on any host. The block editor keeps the text in its own store, which
 * only the page's world can reach; what comes back is as hostile as any page's words and is treated so.
 */

/** @typedef {import('../types').RawCapture} RawCapture */

export const wordpress = {
  id: 'wordpress',
  platform: 'wordpress',
  editor: true,
  world: /** @type {const} */ ('MAIN'),

  /** @param {URL} url */
  matches: (url) => /\/wp-admin\/post(-new)?\.php$/.test(url.pathname),

  /** Whether the address names one article, and not whatever is being written. @param {URL} url */
  one: (url) => url.searchParams.has('post'),

  /** Runs inside the page, alone: it must not name anything outside itself. @returns {RawCapture} */
  read: () => {
    const value = (/** @type {string} */ selector) => /** @type {HTMLInputElement | null} */ (document.querySelector(selector))?.value.trim() ?? '';
    const picture = (/** @type {string} */ selector) => /** @type {HTMLImageElement | null} */ (document.querySelector(selector))?.src ?? '';
    const account = location.hostname;
    const siteName = document.querySelector('#wp-admin-bar-site-name > a')?.textContent?.trim() ?? '';
    const blocks = /** @type {any} */ (globalThis)['wp']?.data?.select?.('core/editor');
    const written = blocks?.getEditedPostContent?.();
    if (typeof written === 'string') {
      const attribute = (/** @type {string} */ name) => String(blocks.getEditedPostAttribute(name) ?? '');
      const html = written.replace(/<!--\s*\/?wp:[\s\S]*?-->/g, '').trim();
      return {
        title: attribute('title'), summary: attribute('excerpt'), author: '', html, cover: picture('.editor-post-featured-image img'),
        account, siteName, whole: true,
      };
    }
    const frame = /** @type {HTMLIFrameElement | null} */ (document.querySelector('#content_ifr'));
    const visible = frame && !frame.closest('.wp-editor-wrap')?.classList.contains('html-active');
    const typed = value('#content');
    const paragraphs = /<(p|div|h[1-6]|ul|ol|blockquote|figure|table)\b/i.test(typed) ? typed
      : typed.split(/\n{2,}/).filter(Boolean).map((part) => `<p>${part}</p>`).join('');
    return {
      title: value('#title'), summary: value('#excerpt'), author: '', html: (visible && frame.contentDocument?.body.innerHTML) || paragraphs,
      cover: picture('#postimagediv img'), account, siteName, whole: true,
    };
  },
};
