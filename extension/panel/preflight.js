/** What the gateway says before the button: what was read, what was taken out, who will decide, what stands in the way. */

import { h, problemCard } from '../ui/dom.js';
import { chinese, contacts, t, when } from '../words.js';

/** @typedef {import('../types').Draft} Draft */
/** @typedef {import('../types').DeskDraft} DeskDraft */
/** @typedef {import('../types').Preflight} Preflight */
/** @typedef {import('../types').Channel} Channel */

const KINDS = ['mourning', 'assembly', 'earnings', 'incident', 'other'];

/** The first line: what was read and what was not; below it each thing that stayed behind, by name. @param {HTMLElement} host @param {Draft} draft */
export function drawReport(host, draft) {
  host.hidden = draft.site === 'blank';
  const { report } = draft;
  const left = report.left ?? [];
  const count = (/** @type {string} */ kind) => left.filter((item) => item.kind === kind).length;
  const read = [report.title ? t('readTitle') : '', t('readWords', report.words.toLocaleString()), t('readPictures', report.pictures), t('readCover', report.cover)];
  const kinds = /** @type {const} */ ([['video', 'missVideos'], ['audio', 'missAudios'], ['drawing', 'missDrawings'], ['background', 'missBackgrounds'], ['card', 'missOthers'], ['hidden', 'missHidden']]);
  const not = [report.missing.pictures ? t('missPictures', report.missing.pictures) : '', ...kinds.map(([kind, key]) => (count(kind) ? t(key, count(kind)) : ''))];
  const join = (/** @type {string[]} */ parts) => parts.filter(Boolean).join(t('listSeparator'));
  const names = kinds.map(([kind]) => ({ kind, list: left.filter((item) => item.kind === kind && item.name).slice(0, 30) })).filter(({ list }) => list.length);
  const rows = names.map(({ kind, list }) => h('li', { 'data-kind': kind }, h('b', {}, t(`left_${kind}`)), ...list.flatMap(({ name }) => [' ', h('q', {}, name)])));
  host.replaceChildren(h('p', {}, join(not) ? t('reportBoth', join(read), join(not)) : t('reportRead', join(read))),
    ...(rows.length ? [h('details', { open: count('hidden') > 0 }, h('summary', {}, t('leftBehind')), h('ul', {}, ...rows))] : []));
}

/** @param {HTMLElement} host @param {DeskDraft} result */
export function drawRemoved(host, result) {
  const count = result.removed.reduce((sum, item) => sum + item.count, 0);
  const lines = result.removed.slice(0, 20).map((item) => h('li', {}, h('code', {}, item.before || item.what), item.after ? ' → ' : '', item.after ? h('code', {}, item.after) : null,
    item.count > 1 ? ` ×${item.count}` : ''));
  host.replaceChildren(...(count ? [h('li', {}, h('details', {}, h('summary', {}, t('removedCount', count)), h('ul', {}, ...lines)))] : []));
}

/**
 * Draw route, findings and obstacles; return how many of them block.
 * @param {HTMLElement} host @param {Preflight | null} answer @param {Channel[]} known @returns {number}
 */
export function drawPreflight(host, answer, known) {
  if (!answer) {
    host.replaceChildren();
    return 0;
  }
  const obstacles = answer.obstacles.filter(({ code }) => code !== 'blocking_findings');
  const findings = answer.findings.map((item) => h('p', { class: `finding ${item.grade}` }, h('b', {}, t(`grade_${item.grade}`)), ` ${chinese() ? item.zh : item.en}`,
    item.place?.quote ? h('q', {}, item.place.quote) : null));
  const quotas = answer.quotas.filter((item) => item.limit !== null).map((item) => (
    h('p', { class: 'meta' }, t('quota', known.find(({ id }) => id === item.channel)?.name ?? item.channel, Math.max(0, (item.limit ?? 0) - item.used)))));
  const blocks = obstacles.length + answer.findings.filter(({ grade }) => grade === 'block').length;
  host.replaceChildren(route(answer), ...answer.blackouts.map((item) => blackout(item, known)), ...quotas, ...findings, ...obstacles.map((item) => problemCard(item)));
  return blocks;
}

/** Days on which a channel sends nothing: which channel, why, until when, whom to ask. @param {import('../types').Blackout} days @param {Channel[]} known */
function blackout({ channel, kind, earliest, ask, rule, article }, known) {
  const words = t('blackout', known.find(({ id }) => id === channel)?.name ?? channel, KINDS.includes(kind) ? t(`blackoutKind_${kind}`) : kind, when(earliest));
  return h('div', { class: 'warning blackout', role: 'alert' }, h('p', {}, words), h('p', { class: 'meta' }, t('basis', `${rule} ${article}`.trim())), ask.length ? h('p', {}, t('askWhom', contacts(ask))) : null);
}

/** The route in one line: who, does what, then who. @param {Preflight} answer */
function route(answer) {
  if (!answer.answered) return h('p', { class: 'route' }, t('routeLater'));
  if (answer.route.length === 0) return h('p', { class: 'route' }, t('routeUnknown'));
  const steps = answer.route.map(({ words, people }) => {
    const names = people.slice(0, 2).map(({ name, office }) => (office ? `${name}(${office})` : name)).join(t('listSeparator'));
    return names ? t('routeStep', names, words) : t('routeNobody', words);
  });
  const hours = answer.average_hours;
  return h('p', { class: 'route' }, t('route', steps.join(' → ')), typeof hours === 'number' ? t('routeHours', Math.max(1, Math.round(hours))) : '');
}
