/** The popup: the gateway's lamp, what this page is, one button, what came back. Unpaired, it is the pairing form. */

import { choose } from '../capture/index.js';
import { openPanel } from '../ui/window.js';
import { ask, at, chip, h, problemCard, Told } from '../ui/dom.js';
import { pairingForm } from '../ui/pairing.js';
import { translate, t } from '../words.js';

/** @typedef {import('../types').Submission} Submission */

async function start() {
  await translate(document);
  const state = await ask('state');
  const [tab] = await chrome.tabs.query({ active: true, currentWindow: true });
  draw(state, tab);
  if (state.session) await refresh();
}

/** @param {any} state @param {chrome.tabs.Tab | undefined} tab */
function draw(state, tab) {
  const { session } = state;
  at('lamp').className = `lamp ${session ? 'on' : 'off'}`;
  at('who').textContent = session ? t('lampOn', session.name, session.unitName) : t('unpaired');
  at('main').replaceChildren(...(session ? page(tab) : [pairingForm(state, () => location.reload(), true)]));
  drawList(state);
  at('links').replaceChildren(
    ...(session ? [h('a', { href: session.address, target: '_blank', rel: 'noreferrer' }, t('desk'))] : []),
    h('button', { type: 'button', class: 'link', onclick: () => chrome.runtime.openOptionsPage() }, t('device')),
  );
}

/** What this page is, and the one button. @param {chrome.tabs.Tab | undefined} tab */
function page(tab) {
  const site = choose(tab?.url ?? '');
  const words = h('p', { id: 'page' }, t(site ? `page_${site.id}` : 'page_none'));
  if (!site || tab?.id === undefined) return [words, h('button', { type: 'button', class: 'button', onclick: () => open(tab, null) }, t('openPanel'))];
  return [words, h('button', { type: 'button', id: 'capture', class: 'button primary wide', onclick: () => open(tab, tab.id ?? null) }, t('captureAndSubmit'))];
}

/**
 * Open the panel in this very click, then let the worker read the page.
 * @param {chrome.tabs.Tab | undefined} tab @param {number | null} read
 */
async function open(tab, read) {
  const opened = openPanel(tab?.windowId);
  try {
    if (read !== null) {
      at('notice').replaceChildren(h('p', { role: 'status' }, t('reading')));
      await ask('capture', { tab: read });
    }
    await opened;
    window.close();
  } catch (error) {
    at('notice').replaceChildren(problemCard(error instanceof Told ? error.problem : { code: 'failed' }));
  }
}

/** Three of what matters most: returned first, then what is under way, then what waits on this machine. @param {any} state */
function drawList(state) {
  const list = /** @type {Submission[]} */ (state.submissions);
  const rank = (/** @type {Submission} */ item) => (item.state === 'returned' ? 0 : 1);
  const mine = new Map(state.drafts.map((/** @type {any} */ item) => [item.submission, item.id]));
  const rows = [...list].sort((a, b) => rank(a) - rank(b)).slice(0, 3).map((item) => {
    const who = item.waiting[0]?.people[0]?.name ?? '';
    const id = mine.get(item.id);
    const title = id ? h('button', { type: 'button', class: 'link', onclick: () => void openDraft(String(id)) }, item.title) : h('span', {}, item.title);
    return h('li', {}, chip(item.state), ' ', title, who ? h('small', { class: 'meta' }, ` ${t('liesWith', who)}`) : null);
  });
  const waiting = state.waiting ? h('p', { class: 'meta' }, t('waitingHere', state.waiting)) : null;
  at('list').replaceChildren(...(waiting ? [waiting] : []), h('ul', { class: 'rows' }, ...rows));
}

/** @param {string} id */
async function openDraft(id) {
  await chrome.storage.session.set({ current: id });
  await openPanel(undefined);
  window.close();
}

async function refresh() {
  try {
    await ask('submissions');
    drawList(await ask('state'));
  } catch (error) {
    const code = error instanceof Told ? error.problem.code : 'failed';
    at('lamp').className = 'lamp off';
    if (code === 'session_gone') draw(await ask('state'), undefined);
    at('who').textContent = t(code === 'session_gone' ? 'pairAgain' : 'lampOff');
  }
}

void start();
