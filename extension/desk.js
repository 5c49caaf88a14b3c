/** What the worker does at the desk: pair, bring a draft there, ask beforehand, hand in, follow, recall. Every act may be repeated. */

import { call, Refusal, SessionGone } from './api.js';
import { digest, NotContent } from './content.js';
import { draft, keepRemote, remote } from './drafts.js';
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
      known = await keepRemote(mine.id, { owner, desk: made.draft, version: made.version, sent: {}, saving: false, submission: null, number: '', content: null });
    }
    const sent = await sendPictures(session, mine, known.desk ?? '', known.sent);
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
  const { title, summary, author, source, facts, scheduled, message, channels } = mine;
  let { html } = mine;
  for (const [url, digest] of Object.entries(sent)) html = html.replaceAll(`src="${spelt(url)}"`, `src="media:${digest}"`);
  const cover = mine.cover === null ? null : sent[mine.cover] ?? null;
  const targets = channels.map((channel) => ({ channel, operation: 'publish', previous: null }));
  return { title, summary, author, source, cover, targets, facts, scheduled, message, html };
}

/** An address as it stands in HTML. @param {string} url */
function spelt(url) {
  return url.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('\u00a0', '&nbsp;');
}

/** @param {Session} session @param {Draft} mine @param {string} id @param {Record<string, string>} before */
async function sendPictures(session, mine, id, before) {
  let sent = before;
  const wanted = new Set(mine.pictures.filter((item) => item.read).map((item) => item.url));
  if (mine.cover) wanted.add(mine.cover);
  for (const url of wanted) {
    if (sent[url]) continue;
    const bytes = await picture(mine.id, url);
    if (!bytes) continue;
    const made = /** @type {DeskPicture} */ (await call(session, 'POST', `/drafts/${id}/pictures`, { bytes }));
    sent = { ...sent, [url]: made.digest };
    await keepRemote(mine.id, { sent });
  }
  return sent;
}

/** Everything that could stand in the way, before the button. @param {Session} session @param {Draft} mine */
export async function preflight(session, mine) {
  const result = await sync(session, mine);
  const fault = await honest(mine, result);
  if (fault) throw fault;
  return { result, answer: mine.channels.length ? await call(session, 'POST', '/preflight', { json: { draft: result.draft } }) : null };
}

/**
 * Return a refusal where the desk's manifest is not what it calls by its digest, or does not say what the person typed.
 * @param {Draft} mine @param {DeskDraft} result @returns {Promise<Refusal | null>}
 */
export async function honest(mine, result) {
  if (result.content === null) return null;
  const manifest = /** @type {Record<string, unknown>} */ (result.manifest ?? {});
  let counted = '';
  try {
    counted = await digest(manifest);
  } catch (error) {
    if (!(error instanceof NotContent)) throw error;
  }
  const source = /** @type {Record<string, unknown>} */ (manifest['source'] ?? {});
  const typed = [mine.title, mine.author, mine.source.kind, mine.source.name];
  const said = [manifest['title'], manifest['author'], source['kind'], source['name']];
  const same = counted === result.content && typed.every((words, at) => visible(words) === visible(said[at]));
  return same ? null : new Refusal({ code: 'digest_mismatch', status: 0, title: '', detail: '' });
}

/** What a reader sees of one line: without white space and format characters, which the desk's normaliser takes out. @param {unknown} words */
function visible(words) {
  return String(words).normalize('NFC').replace(/[\s\p{Cf}\p{Mn}]/gu, '');
}

/**
 * Prepare what is to be handed in: the draft as it is now, and the digest as it was recomputed here.
 * @param {Session} session @param {Draft} mine @returns {Promise<NonNullable<Errand['body']>>}
 */
export async function prepare(session, mine) {
  const result = await sync(session, mine);
  const fault = await honest(mine, result);
  if (fault) throw fault;
  if (result.content === null) throw new Refusal({ code: 'draft_incomplete', status: 0, title: '', detail: '' });
  return { draft: result.draft, version: result.version, content: result.content };
}

/** Hand it in; the command makes a repeat the same submission. @param {Session} session @param {Errand} errand @param {NonNullable<Errand['body']>} body */
export async function submit(session, errand, body) {
  const done = await call(session, 'POST', '/submissions', { json: { command: errand.command, draft: body.draft, version: body.version } });
  await keepRemote(errand.draft, {
    submission: done.submission, number: done.number, content: body.content, queued: false, problem: null, state: 'in_review',
  });
}

/** My newest submissions. @param {Session} session @returns {Promise<Submission[]>} */
export async function submissions(session) {
  return (await call(session, 'GET', '/submissions')).submissions;
}

/** One submission as it stands; what the draft knows of it is brought up to date. @param {Session} session @param {string} id */
export async function follow(session, id) {
  const mine = await draft(id);
  const known = await remote(id);
  if (!mine || !known.submission) return null;
  const now = /** @type {Submission} */ (await call(session, 'GET', `/submissions/${known.submission}`));
  await keepRemote(id, { state: now.state, content: now.content });
  return now;
}

/** Take a submission back. @param {Session} session @param {string} id @param {string} command */
export async function recall(session, id, command) {
  const { submission } = await remote(id);
  await call(session, 'POST', `/submissions/${submission}/recall`, { json: { command } });
}
