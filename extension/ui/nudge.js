/** 催办: one button, or from when on it may be pressed again. */

import { t, when } from '../words.js';
import { ask, h } from './dom.js';

/** @typedef {import('../types').Submission} Submission */

/**
 * @param {Submission} item @param {() => void} done @param {(error: unknown) => void} failed @returns {HTMLElement | null}
 */
export function nudge(item, done, failed) {
  if (item.state !== 'in_review' || item.waiting.every(({ people }) => people.length === 0)) return null;
  if (item.nudge && item.nudge.next_at > new Date().toISOString()) {
    return h('small', { class: 'meta nudged' }, t('nudged', item.nudge.sent_to.map(({ name }) => name).join(t('listSeparator')), when(item.nudge.next_at)));
  }
  const command = crypto.randomUUID();
  return h('button', { type: 'button', class: 'button small nudge', onclick: () => void ask('nudge', { id: item.id, command }).then(done, failed) }, t('nudge'));
}
