/** What the worker does at the desk: pair, bring a draft there, ask beforehand, hand in, follow, recall. Every act may be repeated. */

import { call, Refusal, SessionGone } from './api.js';
import { digest, fingerprint, NotContent } from './content.js';
import { draft, keepRemote, remote } from './drafts.js';
import { picture } from './pictures.js';
import { difference, sameAddress, sameLine } from './reading.js';

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
      known = await keepRemote(mine.id, { owner, desk: made.draft, version: made.version, sent: {}, saving: false, submission: null, number: '', content: null, last: null, revision: 0, altered: false });
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
  const { title, summary, author, source, facts, scheduled, message } = mine;
  const cover = mine.cover === null ? null : sent[mine.cover] ?? null;
  return { title, summary, author, source, cover, targets: targets(mine), facts, scheduled, message, html: named(mine.html, sent) };
}

/** @param {Draft} mine */
function targets(mine) {
  if (mine.act) return [{ channel: mine.act.channel, operation: mine.act.operation, previous: mine.act.previous }];
  return mine.channels.map((channel) => ({ channel, operation: 'publish', previous: null }));
}

/** The body with its pictures named as the desk names them. @param {string} html @param {Record<string, string>} sent */
function named(html, sent) {
  return Object.entries(sent).reduce((body, [url, digest]) => body.replaceAll(`src="${spelt(url)}"`, `src="media:${digest}"`), html);
}

/** An address as it stands in HTML. @param {string} url */
function spelt(url) {
  return url.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('\u00a0', '&nbsp;');
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
    const fault = await honest(mine, result);
    if (fault) throw fault;
    return { result, answer: mine.channels.length ? await call(session, 'POST', '/preflight', { json: { draft: result.draft } }) : null };
  });
}

/**
 * Return a refusal where the desk's manifest is not what it calls by its digest, or does not say what the person wrote: title,
 * summary, author, source, cover, and the body's letters, pictures, links and look. `differs` names the first difference.
 * @param {Draft} mine @param {DeskDraft} result @returns {Promise<Refusal | null>}
 */
export async function honest(mine, result) {
  if (result.content === null) return null;
  const manifest = /** @type {Record<string, any>} */ (result.manifest ?? {});
  const no = (/** @type {import('./reading.js').Difference} */ differs) => new Refusal({ code: 'digest_mismatch', status: 0, title: '', detail: '', differs });
  let counted = '';
  try {
    counted = await digest(manifest);
  } catch (error) {
    if (!(error instanceof NotContent)) throw error;
  }
  if (counted !== result.content) return no({ field: 'digest', mine: fingerprint(counted, 4), theirs: fingerprint(result.content, 4) });
  const { sent } = await remote(mine.id);
  const differs = lines(mine, manifest) ?? cover(mine, manifest, sent) ?? difference(withoutMissing(named(mine.html, sent)), String(manifest['body']));
  return differs ? no(differs) : null;
}

/** @param {Draft} mine @param {Record<string, any>} manifest @returns {import('./reading.js').Difference | null} */
function lines(mine, manifest) {
  const { source } = manifest;
  const original = mine.source.kind === 'original';
  const rows = /** @type {[string, string, unknown][]} */ ([
    ['title', mine.title, manifest['title']], ['summary', mine.summary, manifest['summary']], ['author', mine.author, manifest['author']],
    ['source', mine.source.kind, source.kind], ['source', original ? '' : mine.source.name, source.name],
    ['source', original ? '' : sameAddress(mine.source.url), original ? source.url : sameAddress(source.url)],
  ]);
  const wrong = rows.find(([, typed, said]) => !sameLine(typed, said));
  return wrong ? { field: wrong[0], mine: wrong[1], theirs: String(wrong[2]) } : null;
}

/** @param {Draft} mine @param {Record<string, any>} manifest @param {Record<string, string>} sent @returns {import('./reading.js').Difference | null} */
function cover(mine, manifest, sent) {
  const first = manifest['media'][0];
  const theirs = first?.role === 'cover' ? first.sha256 : '';
  const ours = mine.cover === null ? '' : sent[mine.cover] ?? '';
  return ours === theirs ? null : { field: 'cover', mine: fingerprint(ours, 4), theirs: fingerprint(theirs, 4) };
}

/** Without the pictures that nobody could read: the desk asks for them. @param {string} html */
function withoutMissing(html) {
  return html.replace(/<img(?:\s+[^\s"=<>/]+(?:="[^"]*")?)*\s*>/g, (tag) => (/\ssrc="media:sha256:[0-9a-f]{64}"/.test(tag) ? tag : ''));
}

/**
 * Prepare what is to be handed in: the draft as it is now, and the digest as it was recomputed here.
 * @param {Session} session @param {Draft} mine @returns {Promise<NonNullable<Errand['body']>>}
 */
export async function prepare(session, mine) {
  const result = await sync(session, mine);
  const fault = await honest(mine, result);
  if (fault) throw fault;
  if (result.content === null && mine.act?.operation !== 'withdraw') throw new Refusal({ code: 'draft_incomplete', status: 0, title: '', detail: '' });
  const { submission, last } = await remote(mine.id);
  return { draft: result.draft, version: result.version, content: result.content, expected: submission === null ? null : last };
}

/** Hand it in; the command makes a repeat the same submission. @param {Session} session @param {Errand} errand @param {NonNullable<Errand['body']>} body */
export async function submit(session, errand, body) {
  const done = await call(session, 'POST', '/submissions', { json: { command: errand.command, draft: body.draft, version: body.version, expected: body.expected } });
  const { revision } = await remote(errand.draft);
  await keepRemote(errand.draft, {
    revision: revision + 1, altered: false,
    submission: done.submission, number: done.number, content: body.content, queued: false, problem: null, state: 'in_review', last: null,
  });
}

/** My newest submissions. @param {Session} session @returns {Promise<Submission[]>} */
export async function submissions(session) {
  return (await call(session, 'GET', '/submissions')).submissions;
}

/** One submission as it stands; what the draft knows of it is brought up to date. Another digest for the revision that was handed in is an alteration. @param {Session} session @param {string} id */
export async function follow(session, id) {
  const mine = await draft(id);
  const known = await remote(id);
  if (!mine || !known.submission) return null;
  const now = /** @type {Submission} */ (await call(session, 'GET', `/submissions/${known.submission}`));
  const altered = now.revision === known.revision && now.content !== known.content;
  await keepRemote(id, { state: now.state, last: now.seq, altered, revision: now.revision, content: altered ? known.content : now.content });
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
