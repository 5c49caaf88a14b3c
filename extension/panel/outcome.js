/** The card of a draft that was handed in: number, fingerprint, state, with whom it lies, where it is public, and what can be done. */

import { chip, h } from '../ui/dom.js';
import { nudge } from '../ui/nudge.js';
import { outOf, publications } from '../ui/publications.js';
import { t, when } from '../words.js';
import { reason } from './notes.js';

/** @typedef {import('../types').Draft} Draft */
/** @typedef {import('../types').Remote} Remote */
/** @typedef {import('../types').Submission} Submission */
/** @typedef {import('../types').Channel} Channel */
/**
 * @typedef {{fingerprint: string, recall: () => void, unqueue: () => void, retry: () => void, revise: () => void, close: () => void,
 *   nudged: () => void, failed: (error: unknown) => void, follow: (publication: Submission['publications'][number], operation: 'edit' | 'withdraw') => void}} Acts
 */

/** @param {HTMLElement} host @param {Draft} draft @param {Remote} remote @param {Submission | null} now @param {Channel[]} known @param {boolean} other whether the editor says something else by now @param {Acts} acts */
export function drawOutcome(host, draft, remote, now, known, other, acts) {
  const button = (/** @type {string} */ key, /** @type {() => void} */ act, kind = '') => h('button', { type: 'button', class: `button ${kind}`, onclick: act }, t(key));
  if (remote.queued) {
    host.replaceChildren(h('h2', {}, draft.title), chip('queued'), h('p', {}, t('queued')), h('p', { class: 'row' }, button('retryNow', acts.retry), button('unqueue', acts.unqueue)));
    return;
  }
  const state = now?.state ?? remote.state;
  const returned = state === 'returned';
  const left = state === 'in_review' || (state === 'released' && (now?.waiting ?? []).length > 0);
  const part = outOf(now).size > 0;
  const revisable = ['returned', 'recalled', 'expired'].includes(state);
  host.replaceChildren(
    h('h2', {}, now?.title || draft.title), chip(state), ' ', now ? nudge(now, acts.nudged, acts.failed) ?? '' : '',
    h('dl', { class: 'facts' }, h('dt', {}, t('number')), h('dd', { id: 'number' }, now?.number || remote.number),
      ...(acts.fingerprint ? [h('dt', {}, t('fingerprint')), h('dd', { id: 'fingerprint', class: 'fingerprint', title: remote.content }, acts.fingerprint)] : [])),
    ...waiting(now), ...publications(now?.publications ?? [], (item) => further(item, draft, known, acts)),
    other ? h('p', { class: 'warning', id: 'otherIn' }, h('b', {}, t('otherNow')), ' ', t(revisable ? 'otherNowDraft' : 'otherNowIn')) : '',
    ...(returned && now ? reason(now) : []),
    ...(returned ? (now?.notes ?? []).map(({ quote, note }) => h('p', { class: 'note' }, quote ? h('q', {}, quote) : null, ` ${note}`)) : []),
    now ? h('p', { class: 'meta' }, state === 'in_review' ? t('madeAt', now.revision, when(now.made_at), when(now.window_to)) : t('madeOn', now.revision, when(now.made_at))) : '',
    part && (left || revisable) ? h('p', { class: 'meta', id: 'partly' }, t('partlyOut')) : '',
    h('p', { class: 'row' }, revisable ? button('revise', acts.revise, 'primary') : '', left ? button(part ? 'recallRest' : 'recall', acts.recall) : '', button('close', acts.close)),
  );
}

/** @param {Submission | null} now */
function waiting(now) {
  return (now?.waiting ?? []).map(({ words, people }) => h('p', {}, t('waitingFor', people.map(({ name, office, extension }) => (
    `${name}${office ? `(${office})` : ''} ${extension}`.trim())).join(t('listSeparator')) || t('nobody'), words)));
}

/** What is live may be corrected, where the platform can, or taken down. @param {Submission['publications'][number]} item @param {Draft} draft @param {Channel[]} known @param {Acts} acts */
function further(item, draft, known, acts) {
  const can = known.find(({ id }) => id === item.channel)?.capabilities ?? {};
  const offer = (/** @type {'edit' | 'withdraw'} */ operation, /** @type {string} */ key) => h('button', { type: 'button', class: 'button small', onclick: () => acts.follow(item, operation) }, t(key));
  if (item.state !== 'live' || draft.act?.operation === 'withdraw') return [];
  return [can['edit'] ? offer('edit', 'correct') : null, can['withdraw'] ? offer('withdraw', 'withdraw') : null];
}
