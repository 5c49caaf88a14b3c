/** Where the panel opens: beside the page, or as a window of 400 px in browsers that have no side panel. */

const PAGE = 'panel/panel.html';

/** Must be called in the click itself, before any await. @param {number | undefined} windowId */
export async function openPanel(windowId) {
  const panel = /** @type {typeof chrome.sidePanel | undefined} */ (chrome.sidePanel);
  if (panel && 'open' in panel) {
    try {
      await panel.open({ windowId: windowId ?? chrome.windows.WINDOW_ID_CURRENT });
      return;
    } catch {
      // Some shells have the interface and no panel: the window below serves them.
    }
  }
  await chrome.windows.create({ url: chrome.runtime.getURL(PAGE), type: 'popup', width: 400, height: 780 });
}
