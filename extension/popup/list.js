/** The popup's list: what came back and what is under way, then what was released, with its links. */

import { nudge } from '../ui/nudge.js';
import { outOf, publications } from '../ui/publications.js';
import { chip, h } from '../ui/dom.js';
import { t } from '../words.js';

/** @typedef {import('../types').Submission} Submission */
/** @typedef {{open: (draft: string) => void, again: () => void, failed: (error: unknown) => void}} Acts */

const OPEN = 3;
const RELEASED = 2;

/** @param {HTMLElement} host @param {any} state the worker's `state` @param {Acts} acts */
export function drawList(host, state, acts) {
  const list = /** @type {Submission[]} */ (state.submissions);
  const mine = new Map(state.drafts.map((/** @type {any} */ item) => [item.submission, String(item.id)]));
  const open = list.filter((item) => ['returned', 'in_review'].includes(item.state) || (item.state === 'recalled' && outOf(item).size > 0)).sort((a, b) => Number(b.state === 'returned') - Number(a.state === 'returned'));
  const released = list.filter((item) => ['released', 'done'].includes(item.state));
  const title = (/** @type {Submission} */ item) => {
    const id = mine.get(item.id);
    if (id) return h('button', { type: 'button', class: 'link', onclick: () => acts.open(id) }, item.title || t('untitled'));
    const address = state.session ? `${state.session.address}/submissions/${encodeURIComponent(item.id)}` : null;
    return h('a', { href: address, target: '_blank', rel: 'noreferrer' }, item.title || t('untitled'));
  };
  const row = (/** @type {Submission} */ item) => h('li', {}, chip(item.state), ' ', title(item), holder(item), ' ', nudge(item, acts.again, acts.failed), ...publications(item.publications));
  host.replaceChildren(
    ...(state.waiting ? [h('p', { class: 'meta' }, t('waitingHere', state.waiting))] : []),
    ...part('mineOpen', open.slice(0, OPEN).map(row)),
    ...part('released', released.slice(0, RELEASED).map((item) => h('li', {}, chip(item.state), ' ', title(item), ...publications(item.publications)))),
  );
}

/** @param {string} key @param {HTMLElement[]} rows */
function part(key, rows) {
  return rows.length ? [h('h2', {}, t(key)), h('ul', { class: 'rows' }, ...rows)] : [];
}

/** @param {Submission} item */
function holder(item) {
  const [first] = item.waiting;
  const [who] = first?.people ?? [];
  if (item.state === 'returned') return item.returned ? h('small', { class: 'meta block' }, t(`reason_${item.returned.reason}`)) : null;
  return first ? h('small', { class: 'meta block' }, who ? `${t('liesWith', who.name)} · ${first.words}` : `${t('nobody')} · ${first.words}`) : null;
}
