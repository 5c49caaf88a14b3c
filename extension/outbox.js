/**
 * The outbox: what the person asked for and the desk has not confirmed. An errand is stored before the first try, tried with
 * one command id until the desk answers, and belongs to the person and the desk it was made for.
 */

import { Offline, Refusal, SessionGone } from './api.js';
import { draft, keepRemote } from './drafts.js';
import { alone, prepare, submit } from './desk.js';
import { keepSession, session } from './settings.js';

/** @typedef {import('./types').Errand} Errand */

/** @returns {Promise<Errand[]>} */
export async function errands() {
  const { outbox } = await chrome.storage.local.get('outbox');
  return Array.isArray(outbox) ? outbox : [];
}

/** @param {(list: Errand[]) => Errand[]} change */
async function alter(change) {
  await navigator.locks.request('outbox:list', async () => {
    await chrome.storage.local.set({ outbox: change(await errands()) });
  });
}

/** Store an errand; a draft has one at most, so a second click is the same errand. @param {Errand} errand */
export async function post(errand) {
  await keepRemote(errand.draft, { queued: true, problem: null });
  await alter((list) => (list.some((item) => item.draft === errand.draft) ? list : [...list, errand]));
}

/** Take an errand off the list before it was tried; what may have arrived is settled first. @param {string} id */
export async function unpost(id) {
  if ((await errands()).some((item) => item.draft === id && item.body)) await drain();
  if ((await errands()).some((item) => item.draft === id && item.body)) throw new Refusal({ code: 'maybe_sent', status: 0, title: '', detail: '' });
  await withdraw(id);
}

/** @param {string} id */
async function withdraw(id) {
  await alter((list) => list.filter((item) => item.draft !== id));
  await keepRemote(id, { queued: false });
}

/** @typedef {'empty' | 'done' | 'offline' | 'session_gone'} Drained */

/**
 * Try every errand once, one after another, never two drains at a time (the lock outlives no worker).
 * @returns {Promise<Drained>}
 */
export function drain() {
  return navigator.locks.request('outbox:drain', async () => {
    const waiting = await errands();
    /** @type {Drained} */
    let end = waiting.length ? 'done' : 'empty';
    for (const errand of waiting) {
      const result = await attempt(errand);
      if (result !== 'done') end = result;
    }
    return end;
  });
}

/** @param {Errand} errand @returns {Promise<Drained>} */
async function attempt(errand) {
  const who = await session();
  const mine = await draft(errand.draft);
  if (!mine) {
    await withdraw(errand.draft);
    return 'done';
  }
  if (!who) return 'session_gone';
  if (who.person !== errand.person || who.address !== errand.address) {
    await give(errand, { code: 'other_person', status: 0, title: '', detail: '' });
    return 'done';
  }
  try {
    await alone(errand.draft, async () => {
      const body = errand.body ?? (await prepare(who, mine));
      await alter((list) => list.map((item) => (item.command === errand.command ? { ...item, body } : item)));
      await submit(who, errand, body);
    });
    await withdraw(errand.draft);
    return 'done';
  } catch (error) {
    if (error instanceof Offline) return 'offline';
    if (error instanceof SessionGone) {
      await keepSession(null);
      return 'session_gone';
    }
    if (!(error instanceof Refusal)) throw error;
    await give(errand, error.problem);
    return 'done';
  }
}

/** Give an errand back to the person with the reason. @param {Errand} errand @param {import('./types').Problem} problem */
async function give(errand, problem) {
  await withdraw(errand.draft);
  await keepRemote(errand.draft, { problem });
}
