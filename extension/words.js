/** Words on screen: the catalogue in `_locales`, and how an error is told: what, basis, next step, whom to ask. */

import { language } from './settings.js';

/** @typedef {import('./types').Problem} Problem */

/** @type {{lang: 'zh' | 'en', sentences: Record<string, {message: string}>}} */
let spoken = { lang: 'zh', sentences: {} };

/** Load the sentences of the chosen language; every page does so before it draws. */
export async function speak() {
  const lang = await language();
  const response = await fetch(chrome.runtime.getURL(`_locales/${lang === 'zh' ? 'zh_CN' : 'en'}/messages.json`));
  spoken = { lang, sentences: await response.json() };
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
    ask: (problem.ask ?? []).map(({ name, office, extension }) => [name, office && `(${office})`, extension].filter(Boolean).join(' ')).join(chinese() ? '、' : ', '),
  };
}

/** Where the desk's text is another than what was written. @param {Partial<Problem>} problem */
function differing({ differs }) {
  return differs ? t('differs', t(`field_${differs.field}`), differs.mine, differs.theirs) : '';
}
