/** The pairing form: where the desk is, one field for the code from the counter, and what the extension may then do. */

import { deskAddress, pattern } from '../settings.js';
import { t } from '../words.js';
import { ask, h, problemCard, Told } from './dom.js';

/**
 * Return the form. The browser's question about the desk's address closes a popup, so the popup (`brief`) hands over to the
 * options page where that question is still open.
 * @param {any} state the worker's `state` @param {() => void} done @param {boolean} [brief] @returns {HTMLElement}
 */
export function pairingForm(state, done, brief = false) {
  const fixed = state.managed.deskUrl;
  const address = /** @type {HTMLInputElement} */ (h('input', { id: 'address', type: 'url', value: state.address, readonly: fixed !== '', required: true, placeholder: 'https://desk.example.com' }));
  const code = /** @type {HTMLInputElement} */ (h('input', {
    id: 'code', type: 'text', class: 'code', maxlength: 12, autocomplete: 'one-time-code', autocapitalize: 'characters', spellcheck: 'false', required: true,
  }));
  const device = /** @type {HTMLInputElement} */ (h('input', { id: 'device', type: 'text', maxlength: 80, value: deviceName() }));
  const notice = h('div', { 'aria-live': 'polite' });
  if (!brief) void prefill(address, code);
  const form = h('form', { class: 'pairing', autocomplete: 'off' },
    h('label', { for: 'address' }, t('deskAddress')), address, fixed ? h('p', { class: 'meta' }, t('addressFixed')) : null,
    h('label', { for: 'code' }, t('pairingCode')), code, h('label', { for: 'device' }, t('deviceName')), device,
    h('ul', { class: 'may' }, h('li', {}, t('may1')), h('li', {}, t('may2')), h('li', {}, t('may3'))),
    notice, h('button', { id: 'pair', class: 'button primary wide' }, t('pair')));
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    void pair(address.value, code.value, device.value, brief).then(done, (error) => {
      notice.replaceChildren(problemCard(error instanceof Told ? error.problem : { code: 'failed' }));
    });
  });
  return form;
}

/** @param {string} typed @param {string} code @param {string} device @param {boolean} brief */
async function pair(typed, code, device, brief) {
  const where = deskAddress(typed);
  if (!where) throw new Told({ code: 'bad_address' });
  if (brief && !(await chrome.permissions.contains({ origins: [pattern(where)] }))) {
    await chrome.storage.session.set({ pairing: { address: where, code: halfWidth(code) } });
    await chrome.runtime.openOptionsPage();
    window.close();
    return;
  }
  const granted = await chrome.permissions.request({ origins: [pattern(where)] });
  if (!granted) throw new Told({ code: 'no_permission' });
  await ask('pair', { typed: where, code: halfWidth(code), device });
}

/** Take over what was typed in the popup. @param {HTMLInputElement} address @param {HTMLInputElement} code */
async function prefill(address, code) {
  const { pairing } = await chrome.storage.session.get('pairing');
  if (!pairing) return;
  await chrome.storage.session.remove('pairing');
  const typed = /** @type {{address: string, code: string}} */ (pairing);
  if (!address.readOnly) address.value = typed.address;
  code.value = typed.code;
}

/** Full-width letters and digits of a Chinese input method, as ASCII. @param {string} code */
export function halfWidth(code) {
  return code.normalize('NFKC').toUpperCase().replace(/[^0-9A-Z]/g, '');
}

function deviceName() {
  const system = /Windows|Mac OS X|Linux|CrOS/.exec(navigator.userAgent)?.[0] ?? '';
  const brand = /Edg|OPR|QQBrowser|360SE|Chrome/.exec(navigator.userAgent)?.[0] ?? 'Chromium';
  return `${brand} ${system}`.trim();
}
