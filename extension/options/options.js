/** Options: pairing and its end, the hosts whose pictures may be read, the drafts kept here, what was refused. */

import { pattern } from '../settings.js';
import { ask, at, chip, h, problemCard, Told } from '../ui/dom.js';
import { pairingForm } from '../ui/pairing.js';
import { translate, t, when } from '../words.js';

async function draw() {
  await translate(document);
  document.title = t('name');
  const { language = '' } = await chrome.storage.local.get('language');
  /** @type {HTMLSelectElement} */ (at('language')).value = String(language);
  const state = await ask('state');
  at('session').replaceChildren(state.session ? paired(state.session) : pairingForm(state, () => void draw()));
  at('drafts').replaceChildren(...state.drafts.map(draftRow));
  const counted = Object.entries(state.refusals).map(([code, times]) => `${code} ${times}`);
  at('refusals').textContent = counted.join(' · ') || t('none');
  await drawHosts(state.session?.address ?? '');
}

/** @param {any} session */
function paired(session) {
  const notice = h('div', { 'aria-live': 'polite' });
  const end = h('button', { id: 'unpair', type: 'button', class: 'button danger', onclick: () => void ask('unpair').then(draw, (error) => fail(notice, error)) }, t('unpair'));
  return h('div', {}, h('dl', { class: 'facts' },
    h('dt', {}, t('person')), h('dd', {}, `${session.name} ${session.title}`), h('dt', {}, t('unit')), h('dd', {}, session.unitName),
    h('dt', {}, t('deskAddress')), h('dd', {}, session.address), h('dt', {}, t('deviceName')), h('dd', {}, session.device),
    h('dt', {}, t('pairedAt')), h('dd', {}, when(session.paired))),
  h('ul', { class: 'may' }, h('li', {}, t('may1')), h('li', {}, t('may2')), h('li', {}, t('may3'))), h('p', { class: 'meta' }, t('unpairWhere')), notice, end);
}

/** @param {HTMLElement} notice @param {unknown} error */
function fail(notice, error) {
  notice.replaceChildren(problemCard(error instanceof Told ? error.problem : { code: 'failed' }));
}

/** @param {any} item */
function draftRow(item) {
  const state = item.queued ? 'queued' : item.submission ? item.state : 'draft';
  const busy = item.queued;
  return h('li', {}, chip(state), ` ${item.title || t('untitled')} `, h('small', { class: 'meta' }, when(item.changed)),
    busy ? null : ' ', busy ? null : h('button', { type: 'button', class: 'link', onclick: () => void ask('drop', { id: item.id }).then(draw) }, t('forget')));
}

/** @param {string} desk */
async function drawHosts(desk) {
  const own = desk ? pattern(desk) : '';
  const { origins = [] } = await chrome.permissions.getAll();
  at('hosts').replaceChildren(...origins.map((origin) => h('li', {}, h('code', {}, origin), origin === own ? h('small', { class: 'meta' }, ` ${t('desk')}`)
    : h('button', { type: 'button', class: 'link', onclick: () => void chrome.permissions.remove({ origins: [origin] }).then(draw) }, t('takeBack')))));
}

at('language').addEventListener('change', (event) => {
  void chrome.storage.local.set({ language: /** @type {HTMLSelectElement} */ (event.target).value }).then(draw);
});
at('hostForm').addEventListener('submit', (event) => {
  event.preventDefault();
  const typed = /** @type {HTMLInputElement} */ (at('host')).value.trim().toLowerCase();
  if (!/^[a-z0-9-]+(\.[a-z0-9-]+)+$/.test(typed)) return;
  void chrome.permissions.request({ origins: [`https://${typed}/*`] }).then(draw);
});

void draw();
