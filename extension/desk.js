/** What the worker does at the desk: pair, bring a draft there, ask beforehand, hand in, follow, recall. Every act may be repeated. */

import { call, Refusal, SessionGone } from './api.js';
import { sha256 } from './content.js';
import { draft, keepRemote, remote } from './drafts.js';
import { altered, declared, honest, named } from './honesty.js';
import { likeness, plain } from './likeness.js';
import { picture } from './pictures.js';

/** @typedef {import('./types').Session} Session */
/** @typedef {import('./types').Draft} Draft */
/** @typedef {import('./types').Remote} Remote */
/** @typedef {import('./types').DeskDraft} DeskDraft */
/** @typedef {import('./types').DeskPicture} DeskPicture */
/** @typedef {import('./types').Errand} Errand */
/** @typedef {import('./types').Submission} Submission */

/**
 * Exchange the counter's pairing code for a device session at `address`.
 * @param {string} address @param {string} code @param {string} device @returns {Promise<Session>}
 */
export async function pair(address, code, device) {
  const made = await call({ address }, 'POST', '/session', { json: { code, device_name: device } }).catch((error) => {
    throw error instanceof SessionGone ? new Refusal({ code: 'bad_code', status: 0, title: '', detail: '' }) : error;
  });
  const who = await call({ address, token: made.session }, 'GET', '/me');
  return {
    address, token: made.session, person: who.person, name: who.name, title: who.title, unit: who.unit, unitName: who.unit_name,
    paired: new Date().toISOString(), device,
  };
}

/** End this device's session at the desk. @param {Session} session */
export async function unpair(session) {
  await call(session, 'DELETE', '/session');
}

/** Who this is and how the gateway is. @param {Session} session @returns {Promise<any>} */
export function me(session) {
  return call(session, 'GET', '/me');
}

/** @param {Session} session @returns {Promise<import('./types').Channel[]>} */
export async function channels(session) {
  return (await call(session, 'GET', '/channels')).channels;
}

/**
 * Bring the draft to the desk as it is now: made once (its own id is the command), its pictures sent once each, then saved
 * against the version it was made from. A save whose answer was lost is recognised by the mark left before it.
 * @param {Session} session @param {Draft} mine @returns {Promise<DeskDraft>}
 */
export async function sync(session, mine) {
  return navigator.locks.request(`sync:${mine.id}`, async () => {
    const owner = `${session.person} ${session.address}`;
    let known = await remote(mine.id);
    if (known.desk === null || known.owner !== owner) {
      const made = /** @type {DeskDraft} */ (await call(session, 'POST', '/drafts', { json: { command: mine.id } }));
      known = await keepRemote(mine.id, { owner, desk: made.draft, version: made.version, sent: {}, made: {}, shapes: {}, saving: false, submission: null, number: '', content: null, last: null, revision: 0, handed: null, altered: null });
    }
    const sent = await sendPictures(session, mine, known.desk ?? '');
    const saved = fields(mine, sent);
    await keepRemote(mine.id, { saving: true });
    const result = await save(session, known, saved);
    await keepRemote(mine.id, { result, version: result.version, saving: false });
    return result;
  });
}

/** @param {Session} session @param {Remote} known @param {object} saved @returns {Promise<DeskDraft>} */
async function save(session, known, saved) {
  const put = (/** @type {number} */ version) => call(session, 'PUT', `/drafts/${known.desk}`, { json: { ...saved, version } });
  try {
    return await put(known.version);
  } catch (error) {
    const next = known.version + 1;
    const lost = known.saving && error instanceof Refusal && error.problem.code === 'stale' && error.problem.version === next;
    if (!lost) throw error;
    return put(next);
  }
}

/** The draft as the desk keeps it; pictures are named by the digests that the desk gave them. @param {Draft} mine @param {Record<string, string>} sent */
function fields(mine, sent) {
  const { title, summary, author, source, message } = mine;
  const cover = mine.cover === null ? null : sent[mine.cover] ?? null;
  return { title, summary, author, source, cover, ...declared(mine), message, html: named(mine.html, sent) };
}

/**
 * Send the pictures that the desk does not have as they are now, and look at what it made of each: its bytes are those that its
 * digest names, and show the same.
 * @param {Session} session @param {Draft} mine @param {string} id @returns {Promise<Record<string, string>>}
 */
async function sendPictures(session, mine, id) {
  let { sent, made, shapes } = await remote(mine.id);
  const wanted = new Set(mine.pictures.filter((item) => item.read).map((item) => item.url));
  if (mine.cover) wanted.add(mine.cover);
  for (const url of wanted) {
    const bytes = await picture(mine.id, url);
    if (!bytes) continue;
    const own = await sha256(await bytes.arrayBuffer());
    if (sent[url] && made[url] === own) continue;
    const { name, shape } = await shown(session, id, bytes, called(mine, url));
    sent = { ...sent, [url]: name };
    made = { ...made, [url]: own };
    shapes = { ...shapes, [name]: shape };
    await keepRemote(mine.id, { sent, made, shapes });
  }
  return sent;
}

/** @param {Session} session @param {string} id @param {Blob} bytes @param {string} words what the picture is called */
async function shown(session, id, bytes, words) {
  const readable = await plain(bytes);
  const answer = /** @type {DeskPicture} */ (await call(session, 'POST', `/drafts/${id}/pictures`, { bytes: readable }));
  const theirs = decoded(answer.data);
  const shape = (await sha256(theirs)) === answer.digest ? await likeness(readable, theirs) : null;
  if (!shape) throw mismatch({ field: 'shown', mine: words, theirs: '' });
  return { name: answer.digest, shape };
}

/** What people know a picture by: its words, its place, or that it is the cover. @param {Draft} mine @param {string} url */
function called({ pictures }, url) {
  const at = pictures.findIndex((item) => item.url === url);
  return pictures[at]?.alt || (at < 0 ? '' : String(at + 1));
}

/** @param {unknown} data base64 @returns {Uint8Array} */
function decoded(data) {
  try {
    return Uint8Array.from(atob(String(data)), (letter) => letter.charCodeAt(0));
  } catch {
    return new Uint8Array();
  }
}

/** @param {import('./types').Difference} differs */
function mismatch(differs) {
  return new Refusal({ code: 'digest_mismatch', status: 0, title: '', detail: '', differs });
}

/** Raise a refusal where the desk keeps another draft than the person wrote and declared. @param {Draft} mine @param {DeskDraft} result */
async function held(mine, result) {
  const differs = await honest(mine, result, await remote(mine.id));
  if (differs) throw mismatch(differs);
}

/** The states in which a submission may be handed in once more; from all others a second click changes nothing. */
export const AGAIN = new Set(['returned', 'recalled', 'expired']);

/** One at a time for a draft: a look beforehand must not save a newer version between a submission's save and its handing in. @template T @param {string} id @param {() => Promise<T>} act @returns {Promise<T>} */
export function alone(id, act) {
  return navigator.locks.request(`hand:${id}`, act);
}

/** Everything that could stand in the way, before the button; nothing is asked of what is handed in already. @param {Session} session @param {Draft} mine */
export function preflight(session, mine) {
  return alone(mine.id, async () => {
    const known = await remote(mine.id);
    if (known.result && known.submission !== null && !AGAIN.has(known.state)) return { result: known.result, answer: null };
    const result = await sync(session, mine);
    await held(mine, result);
    return { result, answer: mine.channels.length ? await call(session, 'POST', '/preflight', { json: { draft: result.draft } }) : null };
  });
}

/**
 * Prepare what is to be handed in: the draft as it is now, and the digest as it was recomputed here.
 * @param {Session} session @param {Draft} mine @returns {Promise<NonNullable<Errand['body']>>}
 */
export async function prepare(session, mine) {
  const result = await sync(session, mine);
  await held(mine, result);
  if (result.content === null && mine.act?.operation !== 'withdraw') throw new Refusal({ code: 'draft_incomplete', status: 0, title: '', detail: '' });
  const { submission, last } = await remote(mine.id);
  return { draft: result.draft, version: result.version, content: result.content, expected: submission === null ? null : last, handed: declared(mine) };
}

/** Hand it in; the command makes a repeat the same submission. @param {Session} session @param {Errand} errand @param {NonNullable<Errand['body']>} body */
export async function submit(session, errand, body) {
  const done = await call(session, 'POST', '/submissions', { json: { command: errand.command, draft: body.draft, version: body.version, expected: body.expected } });
  const { revision } = await remote(errand.draft);
  await keepRemote(errand.draft, {
    revision: revision + 1, handed: body.handed ?? null, altered: null,
    submission: done.submission, number: done.number, content: body.content, queued: false, problem: null, state: 'in_review', last: null,
  });
}

/** My newest submissions. @param {Session} session @returns {Promise<Submission[]>} */
export async function submissions(session) {
  return (await call(session, 'GET', '/submissions')).submissions;
}

/** One submission as it stands; what the draft knows of it is brought up to date. What it says otherwise of the revision that was handed in is an alteration. @param {Session} session @param {string} id */
export async function follow(session, id) {
  const mine = await draft(id);
  const known = await remote(id);
  if (!mine || !known.submission) return null;
  const now = /** @type {Submission} */ (await call(session, 'GET', `/submissions/${known.submission}`));
  const same = now.revision === known.revision;
  const otherwise = same ? altered(known, now) : null;
  await keepRemote(id, {
    state: now.state, last: now.seq, altered: otherwise, revision: now.revision, content: same ? known.content : now.content, handed: same ? known.handed : null,
  });
  return now;
}

/** Have those told whom a submission waits for. @param {Session} session @param {string} submission @param {string} command */
export async function nudge(session, submission, command) {
  await call(session, 'POST', `/submissions/${encodeURIComponent(submission)}/nudge`, { json: { command } });
}

/** Take a submission back. @param {Session} session @param {string} id @param {string} command */
export async function recall(session, id, command) {
  const { submission } = await remote(id);
  await call(session, 'POST', `/submissions/${submission}/recall`, { json: { command } });
}
