/**
 * Drafts on this machine. `draft:<id>` is what the person edits (the panel writes it), `remote:<id>` is what the desk made
 * of it (the worker writes it): two keys, so that neither overwrites the other.
 */

/** @typedef {import('./types').Draft} Draft */
/** @typedef {import('./types').Remote} Remote */

const KEPT = 30;

/** @type {Readonly<Remote>} */
const NOTHING = Object.freeze({
  owner: '', desk: null, version: 0, saving: false, sent: {}, made: {}, shapes: {}, result: null, problem: null, queued: false, submission: null, number: '', content: null, last: null, revision: 0, handed: null, altered: null, state: '',
});

/** @param {string} id @returns {Promise<Draft | null>} */
export async function draft(id) {
  const key = `draft:${id}`;
  return /** @type {Draft | undefined} */ ((await chrome.storage.local.get(key))[key]) ?? null;
}

/** @param {Draft} value */
export async function keepDraft(value) {
  await chrome.storage.local.set({ [`draft:${value.id}`]: { ...value, changed: new Date().toISOString() } });
}

/** @param {string} id @returns {Promise<Remote>} */
export async function remote(id) {
  const key = `remote:${id}`;
  return { ...NOTHING, ...(/** @type {Remote | undefined} */ ((await chrome.storage.local.get(key))[key])) };
}

/** Change some members of what the desk made of a draft. @param {string} id @param {Partial<Remote>} change @returns {Promise<Remote>} */
export async function keepRemote(id, change) {
  return navigator.locks.request(`remote:${id}`, async () => {
    const next = { ...(await remote(id)), ...change };
    await chrome.storage.local.set({ [`remote:${id}`]: next });
    return next;
  });
}

/** All drafts, newest first. @returns {Promise<Draft[]>} */
export async function drafts() {
  const all = await chrome.storage.local.get(null);
  const found = Object.entries(all).filter(([key]) => key.startsWith('draft:')).map(([, value]) => /** @type {Draft} */ (value));
  return found.sort((a, b) => (a.changed < b.changed ? 1 : -1));
}

/** Forget a draft and what belongs to it. @param {string} id */
export async function dropDraft(id) {
  await chrome.storage.local.remove([`draft:${id}`, `remote:${id}`]);
}

/** The finished drafts that fall off the end of the shelf. Unfinished ones never do. @returns {Promise<string[]>} */
export async function overdue() {
  const finished = [];
  for (const item of await drafts()) {
    const { submission, queued } = await remote(item.id);
    if (submission !== null && !queued) finished.push(item.id);
  }
  return finished.slice(KEPT);
}
