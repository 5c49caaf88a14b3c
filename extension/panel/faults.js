/** What is still missing before a draft can be handed in, told before the button (pure). The desk and the enforcer judge again. */

import { length } from '../content.js';

/** @typedef {import('../types').Draft} Draft */

/** @typedef {{field: string, words: string}} Fault `field` is the id of the control, `words` a key of the catalogue. */

/** @param {Draft} draft @param {Date} now @returns {Fault[]} */
export function faults(draft, now) {
  /** @type {Fault[]} */
  const found = [];
  const need = (/** @type {boolean} */ fine, /** @type {string} */ field, /** @type {string} */ words) => void (fine || found.push({ field, words }));
  need(draft.scheduled === null || draft.scheduled > now.toISOString(), 'scheduled', 'faultScheduled');
  if (draft.act?.operation === 'withdraw') return found;
  need(draft.title !== '', 'title', 'faultTitle');
  need(length(draft.title) <= 64, 'title', 'faultTitleLong');
  need(length(draft.summary) <= 120, 'summary', 'faultSummaryLong');
  need(length(draft.author) <= 64, 'author', 'faultAuthorLong');
  need(draft.pictures.every((item) => item.read), 'body', 'faultPictures');
  need(draft.html.replace(/<[^>]*>|\s|&nbsp;/g, '') !== '' || draft.pictures.length > 0, 'body', 'faultBody');
  need(draft.facts.category !== '', 'category', 'faultCategory');
  need(draft.source.kind === 'original' || draft.source.name !== '', 'sourceName', 'faultSourceName');
  need(draft.source.kind === 'original' || isLink(draft.source.url), 'sourceUrl', 'faultSourceUrl');
  need(draft.channels.length > 0, 'channels', 'faultChannels');
  return found;
}

/** @param {string} value */
function isLink(value) {
  try {
    return ['http:', 'https:'].includes(new URL(value).protocol);
  } catch {
    return false;
  }
}

/** The summary that stands for an empty one: the first 54 characters of the text. @param {string} text */
export function standIn(text) {
  return [...text.replace(/\s+/g, ' ').trim()].slice(0, 54).join('');
}
