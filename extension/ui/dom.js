/** Building pages: elements from values, never from markup. */

import { t, told } from '../words.js';

/** @typedef {import('../types').Problem} Problem */

/**
 * Return a new element. Attributes named `on…` are listeners, `true` stands for an empty attribute, null and false for none.
 * @param {string} tag @param {Record<string, unknown>} attributes @param {...(Node | string | null)} children @returns {HTMLElement}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === false || value === undefined) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** Return the element with this id. @template {HTMLElement} [T=HTMLElement] @param {string} id @returns {T} */
export function at(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`no element ${id}`);
  return /** @type {T} */ (found);
}

/** Raised when the worker says no; `problem` tells why. */
export class Told extends Error {
  /** @param {Partial<Problem>} problem */
  constructor(problem) {
    super(problem.code);
    this.problem = problem;
  }
}

/** Ask the worker. @param {string} name @param {unknown} [args] @returns {Promise<any>} */
export async function ask(name, args) {
  const answer = await chrome.runtime.sendMessage({ name, args });
  if (answer?.error) throw new Told(answer.error);
  return answer?.value ?? null;
}

/** An error as people read it: what, basis, next, whom to ask. @param {Partial<Problem>} problem @param {Node | null} [button] */
export function problemCard(problem, button = null) {
  const { what, basis, next, ask: whom } = told(problem);
  return h('div', { class: 'problem', role: 'alert' },
    h('p', { class: 'what' }, what), basis ? h('p', { class: 'meta' }, t('basis', basis)) : null,
    next ? h('p', {}, t('nextStep', next)) : null, whom ? h('p', { class: 'meta' }, t('askWhom', whom)) : null, button);
}

const MARKS = /** @type {Record<string, string>} */ ({
  draft: '○', queued: '○', in_review: '◔', released: '✓', done: '●', returned: '↩', recalled: '○', cancelled: '○', expired: '○',
  held: '◔', intended: '◔', prepared: '◔', dispatched: '◔', pending: '◔', unknown: '?', live: '●', gone: '○', withdrawn: '○', replaced: '○',
  rejected: '⊘', absent: '⊘', abandoned: '⊘', stopped: '⊘', missed: '⊘',
});

/** A state as shape, word and colour. @param {string} state @param {string} [key] the word's key, where it is not the submission's */
export function chip(state, key = `state_${state}`) {
  const known = Object.hasOwn(MARKS, state);
  return h('span', { class: `chip ${known ? state : 'other'}` }, h('span', { 'aria-hidden': 'true' }, MARKS[state] ?? '○'), known ? t(key) : state);
}
