/** What became of a submission on each channel: state, and a link where it is public. */

import { t } from '../words.js';
import { chip, h } from './dom.js';

/** @typedef {import('../types').Submission} Submission */
/** @typedef {Submission['publications'][number]} Publication */

/** The states in which a channel is done: the next revision is not for it, what is out there is corrected by a submission of its own. */
const EFFECTIVE = new Set(['live', 'gone', 'withdrawn', 'replaced']);

/** What of a submission is out, by channel. @param {Submission | null} found @returns {Map<string, Publication>} */
export function outOf(found) {
  return new Map((found?.publications ?? []).filter(({ state }) => EFFECTIVE.has(state)).map((item) => [item.channel, item]));
}

/** A web address of the desk's telling, or null. @param {string} url @returns {string | null} */
export function webAddress(url) {
  return /^https?:\/\//.test(url) ? url : null;
}

/**
 * A row a channel, then one button for all of them where there are several.
 * @param {Publication[]} list @param {(publication: Publication) => (Node | null)[]} [acts] what else can be done with one @returns {Node[]}
 */
export function publications(list, acts = () => []) {
  const rows = list.map((item) => {
    const url = webAddress(item.url);
    return h('li', { class: 'publication' }, chip(item.state, `pub_${item.state}`), ' ', item.name, url ? h('a', { href: url, target: '_blank', rel: 'noreferrer' }, t('openOne')) : null, ...acts(item));
  });
  const urls = list.map(({ url }) => webAddress(url)).filter((url) => url !== null);
  const open = () => urls.forEach((url) => void chrome.tabs.create({ url, active: false }));
  return [...(rows.length ? [h('ul', { class: 'publications' }, ...rows)] : []),
    ...(urls.length > 1 ? [h('button', { type: 'button', class: 'button small openAll', onclick: open }, t('openAll'))] : [])];
}
