/** Words on screen: the catalogue in `_locales`, and how an error is told: what, basis, next step, whom to ask. */

import { language } from './settings.js';

/** @typedef {import('./types').Problem} Problem */

/** @type {{lang: 'zh' | 'en', sentences: Record<string, {message: string}>, names: Record<string, string>}} */
let spoken = { lang: 'zh', sentences: {}, names: {} };

/** Keep what the channels are called, for errors that speak of one. @param {{id: string, name: string}[]} known */
export function nameChannels(known) {
  spoken.names = Object.fromEntries(known.map(({ id, name }) => [id, name]));
}

/** Load the sentences of the chosen language; every page does so before it draws. */
export async function speak() {
  const lang = await language();
  const response = await fetch(chrome.runtime.getURL(`_locales/${lang === 'zh' ? 'zh_CN' : 'en'}/messages.json`));
  spoken = { ...spoken, lang, sentences: await response.json() };
}

/** The catalogue's sentence. A missing one shows its key, which a test keeps from happening. @param {string} key @param {...(string | number)} values */
export function t(key, ...values) {
  return spoken.sentences[key]?.message.replace(/\$(\d)/g, (_, place) => String(values[place - 1] ?? '')) ?? key;
}

/** True where the interface speaks Chinese. */
export function chinese() {
  return spoken.lang === 'zh';
}

/** An instant as people of this language write it. @param {string} at */
export function when(at) {
  return new Date(at).toLocaleString(chinese() ? 'zh-CN' : 'en-GB', { dateStyle: 'medium', timeStyle: 'short' });
}

/** Load the words and fill every element with `data-t` (text), `data-t-placeholder`, `data-t-label`. @param {ParentNode} root */
export async function translate(root) {
  await speak();
  document.documentElement.lang = chinese() ? 'zh-CN' : 'en';
  for (const element of root.querySelectorAll('[data-t]')) element.textContent = t(element.getAttribute('data-t') ?? '');
  for (const element of root.querySelectorAll('[data-t-placeholder]')) element.setAttribute('placeholder', t(element.getAttribute('data-t-placeholder') ?? ''));
  for (const element of root.querySelectorAll('[data-t-label]')) element.setAttribute('aria-label', t(element.getAttribute('data-t-label') ?? ''));
}

const KNOWN = [
  'offline', 'session_gone', 'unsupported_page', 'page_closed', 'too_large', 'bad_address', 'no_permission', 'bad_code', 'digest_mismatch',
  'draft_incomplete', 'stale_draft', 'other_content', 'maybe_sent', 'draft_gone', 'other_person', 'refused', 'failed',
];

/** An error in four parts; the desk's own words win over the catalogue's. @param {Partial<Problem>} problem */
export function told(problem) {
  const code = KNOWN.includes(problem.code ?? '') ? problem.code : 'failed';
  const basis = [problem.rule, problem.article].filter(Boolean).join(' ');
  return {
    what: [problem.title || t(`problem_${code}`), problem.detail || differing(problem)].filter(Boolean).join(chinese() ? '：' : ': '),
    basis,
    next: problem.next || (problem.title ? '' : t(`problem_${code}_next`)),
    ask: contacts(problem.ask ?? []),
  };
}

/** People to ask, with office and extension. @param {{name: string, office: string, extension: string}[]} people */
export function contacts(people) {
  return people.map(({ name, office, extension }) => [name, office && `(${office})`, extension].filter(Boolean).join(' ')).join(t('listSeparator'));
}

const DECLARED = ['targets', 'facts', 'scheduled', 'cover', 'pictures', 'digest'];
const CATEGORIES = ['company', 'news', 'culture', 'other'];

/** Where the desk says otherwise than what was written or declared. @param {Partial<Problem>} problem */
function differing({ differs }) {
  if (!differs) return '';
  if (differs.field === 'shown') return t('differsShown', differs.mine || t('cover'));
  const sentence = DECLARED.includes(differs.field) ? 'differsDeclared' : 'differs';
  return t(sentence, t(`field_${differs.field}`), value(differs.field, differs.mine), value(differs.field, differs.theirs));
}

/** One side of a difference, as people say it. @param {string} field @param {string} raw */
function value(field, raw) {
  const [words, separator] = [raw.split(' ').filter(Boolean), t('listSeparator')];
  if (field === 'facts') return words.map((word) => t(CATEGORIES.includes(word) ? `category_${word}` : `flag_${word}`)).join(separator) || t('none');
  if (field === 'scheduled') return raw ? when(raw) : t('timeAny');
  if (field === 'targets') return raw.split('\n').filter(Boolean).map(target).join(separator) || t('none');
  return raw;
}

/** @param {string} line operation, channel and the publication that is replaced */
function target(line) {
  const [operation = '', channel = '', previous = ''] = line.split(' ');
  const act = operation === 'publish' ? '' : t(operation === 'edit' ? 'correct' : 'withdraw');
  return [act, spoken.names[channel] ?? channel, previous].filter(Boolean).join(' ');
}
