/** The popup: the gateway's lamp, what this page is, one button, what came back. Unpaired, it is the pairing form. */

import { choose } from '../capture/index.js';
import { openPanel } from '../ui/window.js';
import { ask, at, chip, h, problemCard, Told } from '../ui/dom.js';
import { pairingForm } from '../ui/pairing.js';
import { translate, t } from '../words.js';
import { drawList } from './list.js';

async function start() {
  await translate(document);
  const state = await ask('state');
  const [tab] = await chrome.tabs.query({ active: true, currentWindow: true });
  draw(state, tab);
  if (!state.session) return;
  await Promise.all([standing(tab), refresh()]);
}

/** @param {any} state @param {chrome.tabs.Tab | undefined} tab */
function draw(state, tab) {
  const { session } = state;
  at('lamp').className = `lamp ${session ? 'on' : 'off'}`;
  at('who').textContent = session ? t('lampOn', session.name, session.unitName) : state.managed.orgName || t('unpaired');
  at('main').replaceChildren(...(session ? page(tab) : [pairingForm(state, () => location.reload(), true)]));
  list(state);
  at('links').replaceChildren(
    ...(session ? [h('a', { href: session.address, target: '_blank', rel: 'noreferrer' }, t('desk'))] : []),
    h('button', { type: 'button', class: 'link', onclick: () => chrome.runtime.openOptionsPage() }, t('device')),
  );
}

/** @param {any} state */
function list(state) {
  drawList(at('list'), state, { open: (id) => void openDraft(id), again: () => void refresh(), failed });
}

/** What this page is, and the one button. @param {chrome.tabs.Tab | undefined} tab */
function page(tab) {
  const site = choose(tab?.url ?? '');
  const words = h('p', { id: 'page' }, t(site ? `page_${site.id}` : 'page_none'));
  const here = h('div', { id: 'standing', 'aria-live': 'polite' });
  if (!site || tab?.id === undefined) return [words, h('button', { type: 'button', class: 'button', onclick: () => open(tab, null) }, t('openPanel'))];
  return [words, here, h('button', { type: 'button', id: 'capture', class: 'button primary wide', onclick: () => open(tab, tab.id ?? null) }, t('captureAndSubmit'))];
}

/** Whether this very page was captured before, and whether it still says the same. @param {chrome.tabs.Tab | undefined} tab */
async function standing(tab) {
  const host = document.getElementById('standing');
  const found = host && tab?.id !== undefined ? await ask('standing', { tab: tab.id }).catch(() => null) : null;
  if (!host || !found) return;
  const state = found.queued ? 'queued' : found.submission ? found.state : 'draft';
  const editable = ['draft', 'returned', 'recalled', 'expired'].includes(state);
  host.className = 'standing';
  host.replaceChildren(h('p', {}, chip(state), ' ', h('button', { type: 'button', class: 'link', onclick: () => void openDraft(found.id) }, found.title || t('untitled'))));
  if (found.same !== false) return;
  host.append(h('p', { class: 'warning' }, h('b', {}, t('otherNow')), ' ', t(editable ? 'otherNowDraft' : 'otherNowIn')));
  if (editable) host.append(h('button', { type: 'button', id: 'again', class: 'button small', onclick: () => open(tab, tab?.id ?? null, found.id) }, t('captureAgain')));
}

/**
 * Open the panel in this very click, then let the worker read the page.
 * @param {chrome.tabs.Tab | undefined} tab @param {number | null} read @param {string} [into] the draft that the page is read into anew
 */
async function open(tab, read, into) {
  const opened = openPanel(tab?.windowId);
  try {
    if (read !== null) {
      at('notice').replaceChildren(h('p', { role: 'status' }, t('reading')));
      await ask('capture', { tab: read, into });
    }
    await opened;
    window.close();
  } catch (error) {
    failed(error);
  }
}

/** @param {string} id */
async function openDraft(id) {
  const opened = openPanel(undefined);
  await chrome.storage.session.set({ current: id });
  await opened;
  window.close();
}

/** @param {unknown} error */
function failed(error) {
  at('notice').replaceChildren(problemCard(error instanceof Told ? error.problem : { code: 'failed' }));
}

async function refresh() {
  try {
    await ask('submissions');
    list(await ask('state'));
  } catch (error) {
    const code = error instanceof Told ? error.problem.code : 'failed';
    at('lamp').className = 'lamp off';
    if (code === 'session_gone') draw(await ask('state'), undefined);
    at('who').textContent = t(code === 'session_gone' ? 'pairAgain' : 'lampOff');
  }
}

void start();
