/** The badge: red with the number of returned submissions. It is drawn from the last list, and the list is the desk's. */

/** @typedef {import('./types').Submission} Submission */

/** @param {Submission[]} list */
export async function keepList(list) {
  await chrome.storage.local.set({ submissions: list });
  const returned = list.filter((item) => item.state === 'returned').length;
  await chrome.action.setBadgeBackgroundColor({ color: '#A3211A' });
  await chrome.action.setBadgeText({ text: returned ? String(returned) : '' });
}

/** @returns {Promise<Submission[]>} */
export async function list() {
  const { submissions } = await chrome.storage.local.get('submissions');
  return Array.isArray(submissions) ? submissions : [];
}
