/** Where the desk is and who is paired: the administrator's policy, the address, the device session. All of it in storage. */

/** @typedef {import('./types').Managed} Managed */
/** @typedef {import('./types').Session} Session */

const MANAGED_WAIT = 2500;

/**
 * Return what the administrator fixed.
 *
 * Chromium answers `{}` for about two seconds after installation even where a policy exists, so an empty answer counts as
 * "none" only after the wait; until then `known` is false and nothing may be paired.
 * @returns {Promise<Managed>}
 */
export async function managed() {
  const value = await policy();
  if (value.deskUrl) return { known: true, deskUrl: value.deskUrl, orgName: value.orgName };
  const { managedSince } = await chrome.storage.session.get('managedSince');
  const since = typeof managedSince === 'number' ? managedSince : Date.now();
  if (managedSince === undefined) await chrome.storage.session.set({ managedSince: since });
  return { known: Date.now() - since >= MANAGED_WAIT, deskUrl: '', orgName: value.orgName };
}

/** As `managed`, but waits until it is known. @returns {Promise<Managed>} */
export async function managedSettled() {
  let value = await managed();
  while (!value.known) {
    await new Promise((resume) => setTimeout(resume, 250));
    value = await managed();
  }
  return value;
}

async function policy() {
  /** @type {Record<string, unknown>} */
  let value = {};
  try {
    value = await chrome.storage.managed.get(null);
  } catch {
    value = {};
  }
  const raw = typeof value['deskUrl'] === 'string' ? value['deskUrl'] : '';
  return { deskUrl: raw ? deskAddress(raw) ?? '' : '', orgName: typeof value['orgName'] === 'string' ? value['orgName'] : '' };
}

/**
 * Return the origin of a desk's address, or null: `https:` anywhere, `http:` only on this machine (`localhost`, `*.localhost`).
 * @param {string} typed @returns {string | null}
 */
export function deskAddress(typed) {
  const words = typed.trim();
  const spelt = /^[a-z][a-z0-9+.-]*:\/\//i.test(words) ? words : `https://${words}`;
  let url;
  try {
    url = new URL(spelt);
  } catch {
    return null;
  }
  const local = url.hostname === 'localhost' || url.hostname.endsWith('.localhost');
  if (url.username || url.password || !(url.protocol === 'https:' || (url.protocol === 'http:' && local))) return null;
  return url.origin;
}

/** The match pattern whose permission lets the extension reach `address`. @param {string} address */
export function pattern(address) {
  const url = new URL(address);
  return `${url.protocol}//${url.hostname}/*`;
}

/**
 * Return the device session, or null. A session made at another address than the policy's is not used: its token never
 * travels to a desk that did not issue it.
 * @returns {Promise<Session | null>}
 */
export async function session() {
  const { session: held } = await chrome.storage.local.get('session');
  if (!held) return null;
  const found = /** @type {Session} */ (held);
  const { deskUrl } = await policy();
  return !deskUrl || deskUrl === found.address ? found : null;
}

/** @param {Session | null} value */
export async function keepSession(value) {
  if (value === null) await chrome.storage.local.remove('session');
  else await chrome.storage.local.set({ session: value });
}

/** The address last typed or fixed by policy, for the field. @returns {Promise<string>} */
export async function address() {
  const { deskUrl } = await policy();
  const { address: kept } = await chrome.storage.local.get('address');
  return deskUrl || (typeof kept === 'string' ? kept : '');
}

/** @param {string} value */
export async function keepAddress(value) {
  await chrome.storage.local.set({ address: value });
}

/** The language of pages and of the desk's answers: what was chosen, else the browser's. @returns {Promise<'zh' | 'en'>} */
export async function language() {
  const { language: chosen } = await chrome.storage.local.get('language');
  if (chosen === 'zh' || chosen === 'en') return chosen;
  return chrome.i18n.getUILanguage().toLowerCase().startsWith('zh') ? 'zh' : 'en';
}
