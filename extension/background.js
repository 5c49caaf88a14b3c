/**
 * The worker. It is mortal: everything it knows is in storage, everything it promised is in the outbox, and each message
 * stands alone. `messages` is the whole of what may be asked of it, and by whom.
 */

import { Offline, Refusal, SessionGone } from './api.js';
import { keepList } from './badge.js';
import { CannotRead, capture, choose, same } from './capture/index.js';
import * as desk from './desk.js';
import { draft, dropDraft, drafts, overdue, remote } from './drafts.js';
import { Refused, route } from './messages.js';
import { drain, errands, post, unpost } from './outbox.js';
import { dropPictures } from './pictures.js';
import { address, deskAddress, keepAddress, keepSession, managed, managedSettled, session } from './settings.js';

/** @typedef {import('./types').Session} Session */

const ALARM = 'tick';
const MINUTES = 1;
/** @type {import('./types').Tables} */
const messages = {
  own: {
    'state': state,
    'pair': ({ typed, code, device }) => pairing(String(typed), String(code), String(device)),
    'unpair': unpair,
    'channels': async () => desk.channels(await paired()),
    'capture': read,
    'preflight': async ({ id }) => desk.preflight(await paired(), await known(id)),
    'submit': submit,
    'unqueue': ({ id }) => unpost(String(id)),
    'follow': async ({ id }) => desk.follow(await paired(), String(id)),
    'recall': async ({ id, command }) => { await desk.recall(await paired(), String(id), String(command)); await refresh(); },
    'nudge': async ({ id, command }) => { await desk.nudge(await paired(), String(id), String(command)); await refresh(); },
    'standing': standing,
    'same': async ({ id }) => same(await known(id)),
    'submissions': refresh,
    'drain': drain,
    'drop': async ({ id }) => { await unpost(String(id)); await dropDraft(String(id)); await dropPictures(String(id)); },
  },
  page: {},
};

chrome.runtime.onMessage.addListener((message, sender, reply) => {
  const self = { id: chrome.runtime.id, origin: new URL(chrome.runtime.getURL('')).origin };
  let handler;
  try {
    handler = route(messages, message, sender, self);
  } catch (error) {
    void count(error instanceof Refused ? error.code : 'unknown_message');
    reply({ error: { code: 'refused' } });
    return false;
  }
  Promise.resolve().then(() => handler(message.args ?? {}, sender)).then(
    (value) => reply({ value: value ?? null }), async (error) => reply({ error: await spoken(error) }),
  );
  return true;
});

chrome.runtime.onInstalled.addListener(() => void wake());
chrome.runtime.onStartup.addListener(() => void wake());
chrome.alarms.onAlarm.addListener(({ name }) => void (name === ALARM && tick()));
chrome.storage.onChanged.addListener((_changes, area) => void (area === 'managed' && settle()));

/** Keep storage from scripts in pages, before anything else is asked of it. */
const guarded = Promise.all([
  chrome.storage.local.setAccessLevel({ accessLevel: 'TRUSTED_CONTEXTS' }), chrome.storage.session.setAccessLevel({ accessLevel: 'TRUSTED_CONTEXTS' }),
]);

async function wake() {
  await guarded;
  await managed();
  if (!(await chrome.alarms.get(ALARM))) await chrome.alarms.create(ALARM, { periodInMinutes: MINUTES });
}

async function tick() {
  if (!(await session()) || (await drain()) === 'session_gone') return;
  await refresh().catch(() => []);
  for (const id of await overdue()) {
    await dropDraft(id);
    await dropPictures(id);
  }
}

/** A changed policy ends a session made elsewhere. */
async function settle() {
  if (!(await session())) await keepSession(null);
}

/** @param {string} code */
async function count(code) {
  await navigator.locks.request('refusals', async () => {
    const { refusals } = await chrome.storage.local.get('refusals');
    const before = /** @type {Record<string, number>} */ (refusals ?? {});
    await chrome.storage.local.set({ refusals: { ...before, [code]: (before[code] ?? 0) + 1 } });
  });
}

/** Errors as codes of the catalogue or as the desk's problem; what is not foreseen is `failed`, never a stack. @param {unknown} error */
async function spoken(error) {
  if (error instanceof Offline) return { code: 'offline' };
  if (error instanceof SessionGone) {
    await keepSession(null);
    return { code: 'session_gone' };
  }
  if (error instanceof CannotRead) return { code: error.code };
  if (error instanceof Refusal) return error.problem;
  console.error(error);
  return { code: 'failed' };
}

async function paired() {
  const held = await session();
  if (!held) throw new SessionGone();
  return held;
}

/** @param {unknown} id */
async function known(id) {
  const found = await draft(String(id));
  if (!found) throw new Refusal({ code: 'draft_gone', status: 0, title: '', detail: '' });
  return found;
}

/** Read a page into a draft and show it; the popup that asked may be gone by then. @param {{tab: number, into?: string}} args */
async function read({ tab, into }) {
  await chrome.storage.session.set({ reading: Number(tab) });
  try {
    const made = await capture(Number(tab), into ? await draft(String(into)) : null);
    await chrome.storage.session.set({ current: made.id });
    return made.id;
  } finally {
    await chrome.storage.session.remove('reading');
  }
}

/** What is known of the page in a tab: its newest draft, how far that is, and whether the editor still says the same. @param {{tab: number}} args */
async function standing({ tab }) {
  const { url } = await chrome.tabs.get(Number(tab));
  const named = url !== undefined && choose(url)?.one(new URL(url));
  const found = named ? (await drafts()).find((item) => item.origin && item.url === url) : undefined;
  if (!found) return null;
  const { queued, submission, state: status } = await remote(found.id);
  return { id: found.id, title: found.title, queued, submission, state: status, same: await same({ ...found, tab: Number(tab) }) };
}

/** Everything a page needs to draw itself, without the token. */
async function state() {
  const held = await session();
  const policy = await managed();
  const all = [];
  for (const item of await drafts()) {
    const { queued, submission, number, state: status } = await remote(item.id);
    all.push({ id: item.id, title: item.title, changed: item.changed, queued, submission, number, state: status });
  }
  const { submissions, refusals } = await chrome.storage.local.get(['submissions', 'refusals']);
  return {
    session: held && { address: held.address, name: held.name, title: held.title, unitName: held.unitName, paired: held.paired, device: held.device },
    managed: policy, address: await address(), drafts: all, waiting: (await errands()).length, submissions: submissions ?? [], refusals: refusals ?? {},
  };
}

/** @param {string} typed @param {string} code @param {string} device */
async function pairing(typed, code, device) {
  const { deskUrl } = await managedSettled();
  const where = deskUrl || deskAddress(typed);
  if (!where) throw new Refusal({ code: 'bad_address', status: 0, title: '', detail: '' });
  const made = await desk.pair(where, code.toUpperCase().replace(/[^0-9A-Z]/g, ''), device.slice(0, 80) || 'Chromium');
  await keepAddress(where);
  await keepSession(made);
  await wake();
  await drain();
  await refresh().catch(() => []);
}

/** End the session here in any case, and at the desk if it can be reached; drafts stay. */
async function unpair() {
  const held = await session();
  await keepSession(null);
  await keepList([]);
  if (held) await desk.unpair(held).catch(() => undefined);
}

/** @param {{id: string}} args */
async function submit({ id }) {
  const held = await paired();
  const mine = await known(id);
  const before = await remote(mine.id);
  if (before.submission !== null && !desk.AGAIN.has(before.state)) return { end: 'done', remote: before };
  await post({ draft: mine.id, command: crypto.randomUUID(), person: held.person, address: held.address, at: new Date().toISOString(), body: null });
  const end = await drain();
  if (end === 'done') await refresh().catch(() => []);
  return { end, remote: await remote(mine.id) };
}

async function refresh() {
  const held = await paired();
  const found = await desk.submissions(held);
  await keepList(found);
  return found;
}
