/** The channels a draft may go to, a card each; the account recognised on the page is chosen beforehand. */

import { chip, h } from '../ui/dom.js';
import { webAddress } from '../ui/publications.js';
import { t, when } from '../words.js';

/** @typedef {import('../types').Draft} Draft */
/** @typedef {import('../types').Channel} Channel */

/** @param {string} words */
const plain = (words) => words.normalize('NFKC').replace(/[\s@「」]/g, '').toLowerCase();

/** Whether a channel is the account that the page showed: same platform, and exactly its name or account. @param {Channel} channel @param {Draft} draft */
export function isAccount(channel, draft) {
  if (!draft.account || channel.platform !== draft.site) return false;
  return [channel.name, channel.account].map(plain).includes(plain(draft.account));
}

/** The channels to begin with: the account on the page, else what was chosen here last time. @param {Draft} draft @param {Channel[]} known */
export async function preselect(draft, known) {
  const here = known.filter((channel) => isAccount(channel, draft)).map(({ id }) => id);
  if (here.length) return here;
  const key = `lastChannels:${draft.site}:${draft.account}`;
  const last = (await chrome.storage.local.get(key))[key];
  return Array.isArray(last) ? last.filter((id) => known.some((channel) => channel.id === id)) : [];
}

/** What a correction or a withdrawal is for; there is nothing to choose. @param {HTMLElement} host @param {Channel[]} known @param {NonNullable<Draft['act']>} act @param {string} title */
export function drawAct(host, known, act, title) {
  const name = known.find(({ id }) => id === act.channel)?.name ?? act.channel;
  delete host.dataset['drawn'];
  host.replaceChildren(h('p', { class: 'card' }, h('strong', { class: 'block' }, title), t(act.operation === 'edit' ? 'actEdit' : 'actWithdraw', name)));
}

/** A channel on which an earlier revision is out: nothing to tick, and where to look. @param {string} name @param {import('../ui/publications.js').Publication} item */
function done(name, item) {
  const url = webAddress(item.url);
  return h('div', { class: 'card', 'data-out': item.channel }, h('strong', {}, name), ' ', chip(item.state, `pub_${item.state}`), ' ',
    url && item.state === 'live' ? h('a', { href: url, target: '_blank', rel: 'noreferrer' }, t('openOne')) : null,
    h('small', { class: 'meta block' }, t('alreadyOut', item.revision)));
}

/**
 * @param {HTMLElement} host @param {Channel[]} known @param {Draft} draft @param {import('../types').Blackout[]} dark the days of which the gateway has told
 * @param {Map<string, import('../ui/publications.js').Publication>} out what of an earlier revision is out, by channel @param {(ids: string[]) => void} chosen
 */
export function drawChannels(host, known, draft, dark, out, chosen) {
  if (known.length === 0) {
    host.replaceChildren(h('p', { class: 'meta' }, t('noChannels')));
    return;
  }
  const drawn = JSON.stringify([known, draft.channels, draft.account, dark, [...out]]);
  if (host.dataset['drawn'] === drawn) return;
  host.dataset['drawn'] = drawn;
  // Asked of the boxes and not of `draft`: a second tick comes sooner than the cards are drawn anew.
  const ticked = () => [.../** @type {NodeListOf<HTMLInputElement>} */ (host.querySelectorAll('input:checked'))].map(({ value }) => value);
  host.replaceChildren(...known.map((channel) => {
    const name = `${t(`platform_${channel.platform}`)}「${channel.name}」`;
    const sent = out.get(channel.id);
    if (sent) return done(name, sent);
    const box = h('input', { type: 'checkbox', value: channel.id, checked: draft.channels.includes(channel.id), onchange: () => chosen(ticked()) });
    const way = t(channel.platform === 'wechat' ? 'way_wechat' : 'way_other');
    const filed = channel.filing === 'filed';
    const days = dark.find((item) => item.channel === channel.id);
    return h('label', { class: 'card tick' }, box, h('span', {},
      h('strong', {}, name),
      isAccount(channel, draft) ? h('small', { class: 'here' }, ` ${t('accountHere')}`) : null,
      h('small', { class: 'meta block' }, filed ? way : `${way} · ${t('notFiled')}`),
      days ? h('small', { class: 'dark block' }, t('darkUntil', when(days.earliest))) : null));
  }));
}
