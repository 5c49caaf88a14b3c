/** Drafts that do not come from a page: an empty one, and one that corrects or takes down what is published. */

import { keepDraft } from '../drafts.js';
import { keepPicture, picture } from '../pictures.js';
import { t } from '../words.js';

/** @typedef {import('../types').Draft} Draft */
/** @typedef {import('../types').Submission} Submission */

/** @returns {Draft} */
function empty() {
  const now = new Date().toISOString();
  return {
    id: crypto.randomUUID(), made: now, changed: now, site: 'blank', siteName: '', url: '', account: '', tab: null,
    report: { title: false, words: 0, pictures: 0, cover: 0, missing: { videos: 0, audios: 0, pictures: 0, others: 0 }, left: [] },
    title: '', summary: '', author: '', source: { kind: 'original', name: '', url: '' }, html: '', pictures: [], cover: null,
    facts: { category: '', sensitive: false, executives: false, external_quote: false, ai_generated: false, reprinted_pictures: false },
    channels: [], scheduled: null, message: '', closed: false, origin: '', act: null,
  };
}

/** Make an empty draft and keep it. */
export async function blank() {
  return begun(empty());
}

/**
 * Make the draft that corrects (its text and pictures taken over) or takes down one publication of `mine`, and keep it.
 * @param {Draft} mine @param {Submission['publications'][number]} publication @param {'edit' | 'withdraw'} operation
 */
export async function follower(mine, publication, operation) {
  const made = { ...empty(), author: mine.author, facts: mine.facts, channels: [publication.channel], act: { operation, channel: publication.channel, previous: publication.id } };
  if (operation === 'withdraw') return begun({ ...made, title: [...t('withdrawTitle', mine.title)].slice(0, 64).join('').trim() });
  const { title, summary, source, html, pictures, cover } = mine;
  for (const url of new Set([...pictures.map((item) => item.url), ...(cover ? [cover] : [])])) {
    const bytes = await picture(mine.id, url);
    if (bytes) await keepPicture(made.id, url, bytes);
  }
  return begun({ ...made, title, summary, source, html, pictures, cover });
}

/** @param {Draft} made */
async function begun(made) {
  await keepDraft(made);
  await chrome.storage.session.set({ current: made.id });
  return made;
}
