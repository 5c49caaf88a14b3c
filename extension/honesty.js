/**
 * Whether the desk keeps what the person wrote and declared: asked after each save, before anything is handed in, and of what was
 * handed in afterwards. Nothing here believes the desk; what it says is counted again, or held against what lies on this machine.
 */

import { digest, fingerprint, NotContent } from './content.js';
import { difference, sameAddress, sameLine } from './reading.js';

/** @typedef {import('./types').Draft} Draft */
/** @typedef {import('./types').Remote} Remote */
/** @typedef {import('./types').DeskDraft} DeskDraft */
/** @typedef {import('./types').Submission} Submission */
/** @typedef {import('./types').Declared} Declared */
/** @typedef {import('./types').Difference} Difference */

const FLAGS = /** @type {const} */ (['sensitive', 'external_quote', 'executives', 'ai_generated', 'reprinted_pictures']);

/** What the person declares with a draft. @param {Draft} mine @returns {Declared} */
export function declared(mine) {
  const targets = mine.act ? [{ channel: mine.act.channel, operation: mine.act.operation, previous: mine.act.previous }]
    : mine.channels.map((channel) => ({ channel, operation: 'publish', previous: null }));
  return { targets, facts: mine.facts, scheduled: mine.scheduled };
}

/**
 * Return the first difference between the draft and what the desk keeps of it: the content's digest; channels, facts, time, message,
 * lines, cover; then, where there is content, its pictures' measures, and the body's letters, pictures, links and look.
 * @param {Draft} mine @param {DeskDraft} result @param {Pick<Remote, 'sent' | 'shapes'>} known @returns {Promise<Difference | null>}
 */
export async function honest(mine, result, { sent, shapes }) {
  const ours = mine.cover === null ? null : sent[mine.cover] ?? null;
  const manifest = result.content === null ? null : /** @type {Record<string, any>} */ (result.manifest ?? {});
  const counted = manifest && (await count(manifest));
  if (counted !== result.content) return digests(counted ?? '', result.content ?? '');
  const otherwise = form(mine, result.kept, ours);
  if (otherwise || !manifest) return otherwise;
  return lines(mine, manifest) ?? cover(ours, manifest) ?? measures(manifest, shapes)
    ?? difference(withoutMissing(named(mine.html, sent)), String(manifest['body']));
}

/** The digest of a manifest; empty where it is no content. @param {unknown} manifest */
async function count(manifest) {
  try {
    return await digest(manifest);
  } catch (error) {
    if (error instanceof NotContent) return '';
    throw error;
  }
}

/** The body with its pictures named as the desk names them. @param {string} html @param {Record<string, string>} sent */
export function named(html, sent) {
  return Object.entries(sent).reduce((body, [url, name]) => body.replaceAll(`src="${spelt(url)}"`, `src="media:${name}"`), html);
}

/**
 * Return what the desk says otherwise of a revision that was handed in; checks may have added facts, and never take one away.
 * @param {Pick<Remote, 'content' | 'handed'>} known @param {Submission} now @returns {Difference | null}
 */
export function altered({ content, handed }, now) {
  if (now.content !== content) return digests(content ?? '', now.content ?? '');
  if (!handed) return null;
  const found = now.facts?.found ?? [];
  const facts = { ...now.facts };
  for (const flag of FLAGS) if (found.includes(flag)) facts[flag] = handed.facts[flag];
  return declarations({ ...handed, facts: { ...handed.facts, category: handed.facts.category || 'other' } }, { targets: now.targets, facts, scheduled: now.scheduled });
}

/** @param {Draft} mine @param {DeskDraft['kept']} kept @param {string | null} ours the cover's digest @returns {Difference | null} */
function form(mine, kept, ours) {
  const message = (/** @type {string} */ words) => words.replace(/[\0\ud800-\udfff]/gu, '').normalize('NFC');
  const otherwise = declarations(declared(mine), kept ?? {});
  if (otherwise || !kept) return otherwise ?? { field: 'title', mine: mine.title, theirs: '' };
  if (message(mine.message) !== kept.message) return { field: 'message', mine: mine.message, theirs: String(kept.message) };
  return lines(mine, kept) ?? (kept.cover === ours ? null : { field: 'cover', mine: fingerprint(ours ?? '', 4), theirs: fingerprint(kept.cover ?? '', 4) });
}

/** @param {Declared} mine @param {Partial<Declared>} theirs @returns {Difference | null} */
function declarations(mine, theirs) {
  const targets = (/** @type {Declared['targets'] | undefined} */ list) => (list ?? []).map(({ channel, operation, previous }) => `${operation} ${channel}${previous ? ` ${previous}` : ''}`).join('\n');
  const facts = (/** @type {Partial<Declared['facts']> | undefined} */ said) => [said?.category, ...FLAGS.filter((flag) => said?.[flag] !== false)].join(' ').trim();
  const instant = (/** @type {string | null | undefined} */ at) => (at ? new Date(at).toISOString() : '');
  const rows = /** @type {[string, string, string][]} */ ([
    ['targets', targets(mine.targets), targets(theirs.targets)], ['facts', facts(mine.facts), facts(theirs.facts)],
    ['scheduled', instant(mine.scheduled), instant(theirs.scheduled)],
  ]);
  const wrong = rows.find(([, ours, other]) => ours !== other);
  return wrong ? { field: wrong[0], mine: wrong[1], theirs: wrong[2] } : null;
}

/** @param {string} counted @param {string} said @returns {Difference} */
function digests(counted, said) {
  return { field: 'digest', mine: fingerprint(counted, 4), theirs: fingerprint(said, 4) };
}

/** @param {Draft} mine @param {Record<string, any>} said a manifest, or the form that it is made from @returns {Difference | null} */
function lines(mine, said) {
  const source = said['source'] ?? {};
  const original = mine.source.kind === 'original';
  const rows = /** @type {[string, string, unknown][]} */ ([
    ['title', mine.title, said['title']], ['summary', mine.summary, said['summary']], ['author', mine.author, said['author']],
    ['source', mine.source.kind, source.kind], ['source', original ? '' : mine.source.name, source.name],
    ['source', original ? '' : sameAddress(mine.source.url), original ? source.url : sameAddress(source.url)],
  ]);
  const wrong = rows.find(([, typed, other]) => !sameLine(typed, other));
  return wrong ? { field: wrong[0], mine: wrong[1], theirs: String(wrong[2]) } : null;
}

/** @param {string | null} ours @param {Record<string, any>} manifest @returns {Difference | null} */
function cover(ours, manifest) {
  const first = manifest['media'][0];
  const theirs = first?.role === 'cover' ? first : null;
  return (ours ?? '') === (theirs?.sha256 ?? '') && !theirs?.alt ? null : { field: 'cover', mine: fingerprint(ours ?? '', 4), theirs: fingerprint(theirs?.sha256 ?? '', 4) };
}

/** Type, length and size of each picture, as its bytes were seen. @param {Record<string, any>} manifest @param {Remote['shapes']} shapes @returns {Difference | null} */
function measures(manifest, shapes) {
  const words = (/** @type {import('./types').Measured | undefined} */ item) => (item ? `${item.type} ${item.width}×${item.height} ${item.length}` : '');
  const wrong = manifest['media'].find((/** @type {any} */ item) => words(item) !== words(shapes[item.sha256]));
  return wrong ? { field: 'pictures', mine: words(shapes[wrong.sha256]), theirs: words(wrong) } : null;
}

/** Without the pictures that nobody could read: the desk asks for them. @param {string} html */
function withoutMissing(html) {
  return html.replace(/<img(?:\s+[^\s"=<>/]+(?:="[^"]*")?)*\s*>/g, (tag) => (/\ssrc="media:sha256:[0-9a-f]{64}"/.test(tag) ? tag : ''));
}

/** An address as it stands in HTML. @param {string} url */
function spelt(url) {
  return url.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('\u00a0', '&nbsp;');
}
