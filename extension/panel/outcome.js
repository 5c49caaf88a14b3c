/** The card of a draft that was handed in: number, fingerprint, state, with whom it lies, and the way back. */

import { chip, h } from '../ui/dom.js';
import { t, when } from '../words.js';

/** @typedef {import('../types').Draft} Draft */
/** @typedef {import('../types').Remote} Remote */
/** @typedef {import('../types').Submission} Submission */
/** @typedef {{fingerprint: string, recall: () => void, unqueue: () => void, retry: () => void, revise: () => void, close: () => void}} Acts */

/** @param {HTMLElement} host @param {Draft} draft @param {Remote} remote @param {Submission | null} now @param {Acts} acts */
export function drawOutcome(host, draft, remote, now, acts) {
  const button = (/** @type {string} */ key, /** @type {() => void} */ act, kind = '') => h('button', { type: 'button', class: `button ${kind}`, onclick: act }, t(key));
  if (remote.queued) {
    host.replaceChildren(h('h2', {}, draft.title), chip('queued'), h('p', {}, t('queued')), h('p', { class: 'row' }, button('retryNow', acts.retry), button('unqueue', acts.unqueue)));
    return;
  }
  const state = now?.state ?? remote.state;
  const waiting = (now?.waiting ?? []).map(({ words, people }) => h('p', {}, t('waitingFor', people.map(({ name, office, extension }) => (
    `${name}${office ? `(${office})` : ''} ${extension}`.trim())).join(t('listSeparator')) || t('nobody'), words)));
  const links = (now?.publications ?? []).filter(({ url }) => url).map(({ name, url }) => h('p', {}, h('a', { href: safe(url), target: '_blank', rel: 'noreferrer' }, name)));
  const returned = state === 'returned';
  host.replaceChildren(
    h('h2', {}, now?.title || draft.title), chip(state),
    h('dl', { class: 'facts' }, h('dt', {}, t('number')), h('dd', { id: 'number' }, now?.number || remote.number),
      h('dt', {}, t('fingerprint')), h('dd', { id: 'fingerprint', class: 'fingerprint', title: remote.content }, acts.fingerprint)),
    ...waiting, ...links,
    returned && now?.returned ? h('p', { class: 'note' }, t('returnedBy', now.returned.by, when(now.returned.at), t(`reason_${now.returned.reason}`))) : '',
    ...(returned ? (now?.notes ?? []).map(({ quote, note }) => h('p', { class: 'note' }, quote ? h('q', {}, quote) : null, ` ${note}`)) : []),
    now ? h('p', { class: 'meta' }, t('madeAt', now.revision, when(now.made_at), when(now.window_to))) : '',
    h('p', { class: 'row' }, returned || state === 'recalled' ? button('revise', acts.revise, 'primary') : '', state === 'in_review' ? button('recall', acts.recall) : '', button('close', acts.close)),
  );
}

/** @param {string | null} url */
function safe(url) {
  return url && /^https?:\/\//.test(url) ? url : null;
}
