/** What came back with a return: the reason, and each note at the words it speaks of; a suggestion is taken over with one click. */

import { h } from '../ui/dom.js';
import { t, when } from '../words.js';

/** @typedef {import('../types').Submission} Submission */
/** @typedef {import('../types').Note} Note */
/** @typedef {import('./editor.js').Editor} Editor */

/** The control of the form that shows a field of the content. */
const CONTROLS = /** @type {Record<string, string>} */ ({ title: 'title', summary: 'summary', author: 'author', 'source.name': 'sourceName' });

/** Who sent it back, when, why, and in what words. @param {Submission} found @returns {HTMLElement[]} */
export function reason({ returned }) {
  if (!returned) return [];
  return [h('p', { class: 'note' }, t('returnedBy', returned.by, when(returned.at), t(`reason_${returned.reason}`)), ...(returned.text ? [h('q', { class: 'block' }, returned.text)] : []))];
}

/**
 * @param {HTMLElement} host @param {Submission} found @param {Editor} editor @param {(id: string) => HTMLInputElement} field @param {() => void} changed
 */
export function drawNotes(host, found, editor, field, changed) {
  host.replaceChildren(h('h2', {}, t('notesTitle')), ...reason(found), ...found.notes.map((item, at) => drawn(item, at + 1, editor, field, changed)));
}

/** @param {Note} item @param {number} number @param {Editor} editor @param {(id: string) => HTMLInputElement} field @param {() => void} changed */
function drawn(item, number, editor, field, changed) {
  const control = lineOf(item, field);
  const placed = !control && (item.field === 'body' || item.field === '') && editor.mark(item.quote, number, item.start);
  const card = h('div', { class: 'note', 'data-note': number }, item.quote ? h('q', {}, item.quote) : null, h('p', {}, item.note));
  if (!placed && !control) {
    if (item.quote) card.append(h('small', {}, t('notePlaceGone')));
    return card;
  }
  const words = control ? `${t('noteAt')} · ${t('noteIn', t(item.field === 'source.name' || !item.field ? 'source' : item.field))}` : t('noteAt');
  const row = h('p', { class: 'row' }, h('button', { type: 'button', class: 'link', onclick: () => (control ? control.focus() : editor.reveal(number)) }, words));
  if (item.replace_with !== null && item.replace_with !== undefined) {
    const wording = item.replace_with;
    const take = h('button', { type: 'button', class: 'button small take', onclick: () => {
      if (control) control.value = control.value.replace(item.quote, () => wording);
      else editor.take(number, wording);
      take.remove();
      changed();
    } }, t('takeOver'));
    card.append(h('p', {}, wording === '' ? t('leaveOut') : h('ins', {}, wording)));
    row.append(take);
  }
  card.append(row);
  return card;
}

/** The line of the form that holds the words, if one does. @param {Note} item @param {(id: string) => HTMLInputElement} field @returns {HTMLInputElement | null} */
function lineOf(item, field) {
  const id = CONTROLS[item.field];
  const found = id && item.quote ? field(id) : null;
  return found?.value.includes(item.quote) ? found : null;
}
