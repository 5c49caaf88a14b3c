/** The side panel: one draft from capture to submission, then its card. Typing is kept at every change. */

import { fingerprint, length } from '../content.js';
import { draft, drafts, keepDraft, remote } from '../drafts.js';
import { ask, at, h, problemCard, Told } from '../ui/dom.js';
import { nameChannels, translate, t } from '../words.js';
import { blank, follower } from './begin.js';
import { drawAct, drawChannels, preselect } from './channels.js';
import { drawCovers } from './covers.js';
import { Editor } from './editor.js';
import { faults, standIn } from './faults.js';
import { drawNotes } from './notes.js';
import { drawOutcome } from './outcome.js';
import { drawPreflight, drawRemoved, drawReport } from './preflight.js';
import { outOf } from '../ui/publications.js';

/** @typedef {import('../types').Draft} Draft */
/** @typedef {import('../types').Remote} Remote */
/** @typedef {import('../types').Channel} Channel */
/** @typedef {import('../types').Submission} Submission */

const SAVE_AFTER = 300;
const ASK_AFTER = 900;
const FOLLOW_EVERY = 10_000;
const FLAGS = /** @type {const} */ (['sensitive', 'external_quote', 'executives', 'ai_generated', 'reprinted_pictures']);
/** The states from which the next revision may be handed in. */
const REVISABLE = new Set(['returned', 'recalled', 'expired']);
const LINES = /** @type {const} */ (['title', 'summary', 'author', 'message']);

/** @type {Draft | null} */
let open = null;
/** @type {Channel[]} */
let known = [];
let turn = 0;
let blocking = 0;
/** @type {import('../types').Blackout[]} */
let dark = [];
let revising = false;
/** @type {ReturnType<typeof outOf>} */
let out = new Map();
let other = false;
/** @type {Record<string, ReturnType<typeof setTimeout> | undefined>} */
const timers = {};
const editor = new Editor(at('body'), () => changed());

/** @param {string} name @param {number} delay @param {() => unknown} act */
function later(name, delay, act) {
  clearTimeout(timers[name]);
  timers[name] = setTimeout(() => void act(), delay);
}

/** @param {string} id @returns {HTMLInputElement} */
const field = (id) => at(id);

// ---- showing

async function start() {
  await translate(document);
  document.title = t('name');
  listen();
  await drawWho();
  const { current, reading } = await chrome.storage.session.get(['current', 'reading']);
  at('reading').hidden = reading === undefined;
  const wanted = new URLSearchParams(location.search).get('draft') ?? (typeof current === 'string' ? current : null);
  await show(wanted ? await draft(wanted) : null);
}

async function drawWho() {
  const { session, managed } = await ask('state');
  at('who').textContent = session ? `${session.name} ${session.unitName}` : managed.orgName || t('unpaired');
  return session !== null;
}

/** @param {Draft | null} next */
async function show(next) {
  open = next;
  revising = false;
  other = false;
  blocking = 0;
  dark = [];
  out = new Map();
  for (const id of ['notice', 'notes', 'removed', 'preflight']) at(id).replaceChildren();
  at('empty').hidden = next !== null;
  if (next === null) {
    for (const id of ['form', 'foot', 'outcome']) at(id).hidden = true;
    at('shelf').replaceChildren(...(await drafts()).filter((item) => !item.closed).slice(0, 5).map((item) => (
      h('p', {}, h('button', { class: 'link', type: 'button', onclick: () => void show(item) }, item.title || t('untitled'))))));
    return;
  }
  await fill(next);
  await redraw();
  later('ask', 0, preflight);
  void compare();
}

/** Which face a draft has: the form, or the card of what was handed in. */
async function redraw() {
  if (!open) return;
  const now = await remote(open.id);
  const handed = (now.submission !== null || now.queued) && !revising;
  at('form').hidden = handed;
  at('foot').hidden = handed;
  at('outcome').hidden = !handed;
  if (handed) await outcome(now);
  else {
    if (now.problem) at('notice').replaceChildren(card(now.problem));
    await drawForm();
  }
}

/** @param {Draft} mine */
async function fill(mine) {
  for (const id of LINES) field(id).value = mine[id];
  for (const id of FLAGS) field(id).checked = mine.facts[id];
  field('category').value = mine.facts.category;
  field('source').value = mine.source.kind;
  field('sourceName').value = mine.source.name;
  field('sourceUrl').value = mine.source.url;
  field('later').checked = mine.scheduled !== null;
  field('soon').checked = mine.scheduled === null;
  field('scheduled').value = mine.scheduled ? local(new Date(mine.scheduled)) : '';
  await editor.show(mine);
  drawReport(at('report'), mine);
  const { lastCategory } = await chrome.storage.local.get('lastCategory');
  if (!mine.facts.category && typeof lastCategory === 'string') field('category').value = lastCategory;
  known = await ask('channels').catch(async () => (await chrome.storage.local.get('channels'))['channels'] ?? []);
  await chrome.storage.local.set({ channels: known });
  nameChannels(known);
  open = { ...read(mine), channels: mine.channels.length || mine.act ? mine.channels : await preselect(mine, known) };
  await keepDraft(open);
}

/** @param {Date} date */
function local(date) {
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

/** The draft as the form says it now. @param {Draft} mine @returns {Draft} */
function read(mine) {
  const line = (/** @type {string} */ id) => field(id).value.replace(/\s+/g, ' ').trim().normalize('NFC');
  const { html, pictures } = editor.value();
  const kind = /** @type {import('../types').SourceKind} */ (field('source').value);
  const original = kind === 'original';
  const facts = { ...mine.facts, category: /** @type {import('../types').Facts['category']} */ (field('category').value) };
  for (const id of FLAGS) facts[id] = field(id).checked;
  return {
    ...mine, title: line('title'), summary: line('summary'), author: line('author'), message: field('message').value.trim(), html, pictures, facts,
    source: { kind, name: original ? '' : line('sourceName'), url: original ? '' : line('sourceUrl') },
    scheduled: field('later').checked && field('scheduled').value ? new Date(field('scheduled').value).toISOString() : null,
  };
}

async function drawForm() {
  if (!open) return;
  const mine = open;
  at('sourceMore').hidden = mine.source.kind === 'original';
  at('scheduled').hidden = !field('later').checked;
  const size = length(mine.title);
  at('titleCount').textContent = `${size}/64`;
  at('titleCount').classList.toggle('over', size > 64);
  at('titleWarning').hidden = size <= 32 || size > 64;
  at('summaryCount').textContent = `${length(mine.summary)}/120`;
  at('summaryCount').classList.toggle('over', length(mine.summary) > 120);
  const text = editor.text();
  field('summary').placeholder = standIn(text);
  const faint = editor.faint();
  at('faint').hidden = faint.length === 0;
  at('faint').textContent = faint.length ? t('faintText', faint.length, faint.slice(0, 5).map((words) => `「${words.slice(0, 20)}」`).join('')) : '';
  at('bodyCount').textContent = t('words', text.replace(/\s/g, '').length.toLocaleString());
  at('form').dataset['act'] = mine.act?.operation ?? 'publish';
  at('otherNow').hidden = !other;
  at('again').hidden = mine.tab === null || Boolean(mine.act);
  if (mine.act) drawAct(at('channels'), known, mine.act, mine.title);
  else drawChannels(at('channels'), known, mine, dark, out, (ids) => {
    if (open) open = { ...open, channels: ids };
    changed();
  });
  await drawCovers(at('covers'), at('cutting'), mine, cover);
  const missing = faults(mine, new Date());
  for (const input of document.querySelectorAll('.faulty')) input.classList.remove('faulty');
  for (const item of missing) at(item.field).classList.add('faulty');
  at('blocks').textContent = t('blocks', blocking);
  const gaps = missing.length + blocking;
  at('submit').textContent = gaps ? t('stillMissing', gaps) : t(mine.act?.operation === 'withdraw' ? 'submitPlain' : 'submit');
}

/** @param {string} url */
function cover(url) {
  if (open) open = { ...open, cover: url };
  changed();
}

/** @param {Partial<import('../types').Problem>} problem */
function card(problem) {
  const pair = h('button', { class: 'button', type: 'button', onclick: () => chrome.runtime.openOptionsPage() }, t('pairAgain'));
  return problemCard(problem, problem.code === 'session_gone' ? pair : null);
}

/** @param {unknown} error */
function say(error) {
  at('notice').replaceChildren(card(error instanceof Told ? error.problem : { code: 'failed' }));
}

// ---- changing, asking beforehand, handing in

function changed() {
  at('saved').textContent = '';
  if (open) open = read(open);
  later('save', SAVE_AFTER, save);
  later('ask', ASK_AFTER, preflight);
}

async function save() {
  timers['save'] = undefined;
  if (!open) return;
  await keepDraft(open);
  at('saved').textContent = t('kept');
  await drawForm();
}

async function preflight() {
  if (!open || at('form').hidden) return;
  const mine = ++turn;
  await keepDraft(open);
  try {
    const { result, answer } = await ask('preflight', { id: open.id });
    if (mine !== turn) return;
    at('notice').replaceChildren();
    drawRemoved(at('removed'), result);
    blocking = drawPreflight(at('preflight'), answer, known);
    dark = answer?.blackouts ?? [];
    await drawForm();
  } catch (error) {
    if (mine !== turn) return;
    blocking = 0;
    say(error);
    await drawForm();
  }
}

async function submit() {
  if (!open) return;
  clearTimeout(timers['ask']);
  turn += 1;
  open = read(open);
  await keepDraft(open);
  const [first] = faults(open, new Date());
  if (first) {
    at('notice').replaceChildren(h('p', { class: 'warning', role: 'alert' }, t(first.words)));
    at(first.field).scrollIntoView({ block: 'center' });
    at(first.field).focus();
    return;
  }
  if (blocking) {
    at('preflight').scrollIntoView({ block: 'center' });
    return;
  }
  field('submit').disabled = true;
  try {
    await chrome.storage.local.set({ lastCategory: open.facts.category, [`lastChannels:${open.site}:${open.account}`]: open.channels });
    const { end } = await ask('submit', { id: open.id });
    if (end === 'session_gone') say(new Told({ code: 'session_gone' }));
    await handed(open);
  } catch (error) {
    say(error);
  } finally {
    field('submit').disabled = false;
  }
}

/** What came of the click: the card, or the form with the reason; what has changed meanwhile is looked at anew. @param {Draft} mine */
async function handed(mine) {
  const { problem, queued } = await remote(mine.id);
  if (queued || !problem) revising = false;
  else if (problem.code === 'stale_view') {
    const found = /** @type {Submission | null} */ (await ask('follow', { id: mine.id }).catch(() => null));
    revising = found !== null && REVISABLE.has(found.state);
    if (revising) await revise(found);
  }
  await redraw();
}

/** @param {Remote} now */
async function outcome(now) {
  if (!open) return;
  const mine = open;
  const found = now.submission ? await ask('follow', { id: mine.id }).catch((error) => void say(error)) : null;
  const { altered } = await remote(mine.id);
  if (altered) say(new Told({ code: 'other_content', differs: altered }));
  drawOutcome(at('outcome'), mine, now, found ?? null, known, other, {
    fingerprint: now.content ? fingerprint(now.content) : '',
    recall: () => void act('recall', { id: mine.id, command: crypto.randomUUID() }),
    unqueue: () => void act('unqueue', { id: mine.id }),
    retry: () => void act('drain', {}),
    close: () => void closeDraft(mine),
    revise: () => void revise(found ?? null),
    nudged: () => void redraw(),
    failed: say,
    follow: (publication, operation) => void follower(mine, publication, operation).then(show),
  });
  later('follow', FOLLOW_EVERY, redraw);
}

/** @param {string} name @param {unknown} args */
async function act(name, args) {
  at('notice').replaceChildren();
  try {
    await ask(name, args);
  } catch (error) {
    say(error);
  }
  await redraw();
}

/** @param {Draft} mine */
async function closeDraft(mine) {
  await keepDraft({ ...mine, closed: true });
  await chrome.storage.session.remove('current');
  await show(null);
}

/** Back to the form with everything kept, the notes at their places; what is out is not offered again. @param {Submission | null} found */
async function revise(found) {
  clearTimeout(timers['follow']);
  revising = true;
  out = outOf(found);
  if (open && !open.act) {
    open = { ...open, channels: open.channels.filter((id) => !out.has(id)) };
    await keepDraft(open);
  }
  at('notice').replaceChildren();
  await redraw();
  if (found?.state === 'returned') drawNotes(at('notes'), found, editor, field, changed);
  later('ask', 0, preflight);
}

/** Look whether the editor still says what was captured from it; the desk knows nothing of that. */
async function compare() {
  const mine = open;
  if (!mine?.origin) return;
  const same = await ask('same', { id: mine.id }).catch(() => null);
  if (open?.id !== mine.id || other === (same === false)) return;
  other = same === false;
  await redraw();
}

async function again() {
  if (!open) return;
  try {
    if (open.tab === null) throw new Told({ code: 'page_closed' });
    await ask('capture', { tab: open.tab, into: open.id });
    await show(await draft(open.id));
  } catch (error) {
    say(error);
  }
}

function listen() {
  at('form').addEventListener('input', (event) => { if (event.target !== at('body')) changed(); });
  at('form').addEventListener('submit', (event) => event.preventDefault());
  at('submit').addEventListener('click', () => void submit());
  at('again').addEventListener('click', () => void again());
  at('blank').addEventListener('click', () => void blank().then(show));
  addEventListener('focus', () => void compare());
  addEventListener('pagehide', () => { if (timers['save'] !== undefined) void save(); });
  addEventListener('online', () => void ask('drain').then(redraw, say));
  addEventListener('dragover', (event) => event.preventDefault());
  addEventListener('drop', (event) => event.preventDefault());
  chrome.storage.onChanged.addListener((changes, area) => {
    if (area === 'session' && changes['reading']) at('reading').hidden = changes['reading'].newValue === undefined;
    const next = area === 'session' ? changes['current']?.newValue : undefined;
    if (typeof next === 'string') void draft(next).then(show);
    const told = area === 'local' && open ? changes[`remote:${open.id}`] : undefined;
    const before = /** @type {Remote | undefined} */ (told?.oldValue);
    const after = /** @type {Remote | undefined} */ (told?.newValue);
    if (after && (after.queued !== (before?.queued ?? false) || after.submission !== (before?.submission ?? null) || !at('outcome').hidden)) later('redraw', 200, redraw);
    if (area === 'local' && changes['session']) void drawWho().then((paired) => (paired && !at('form').hidden ? preflight() : undefined));
  });
}

void start();
