import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judge, Offline, Refusal, SessionGone } from '../../../extension/api.js';
import { choose } from '../../../extension/capture/index.js';
import { faults, standIn } from '../../../extension/panel/faults.js';
import { isAccount } from '../../../extension/panel/channels.js';
import { asPicture } from '../../../extension/pictures.js';
import { deskAddress, pattern } from '../../../extension/settings.js';
import { halfWidth } from '../../../extension/ui/pairing.js';

test('the site is chosen by the exact host and path', () => {
  const cases = {
    'https://mp.weixin.qq.com/cgi-bin/appmsg?t=media/appmsg_edit_v2': 'wechat', 'https://mp.weixin.qq.com.evil.example/cgi-bin/appmsg': 'generic',
    'https://evil-weibo.com/': 'generic', 'https://weibo.com/': 'weibo', 'https://card.weibo.com/article/v3/editor': 'weibo',
    'https://news.heting.example/wp-admin/post.php?post=1&action=edit': 'wordpress', 'https://news.heting.example/wp-admin/post-new.php': 'wordpress',
    'https://news.heting.example/2026/11/': 'generic', 'https://mp.weixin.qq.com/s/abc': 'generic',
  };
  for (const [address, id] of Object.entries(cases)) assert.equal(choose(address)?.id, id, address);
});

test('the browser\'s own pages and files are read by nobody', () => {
  for (const address of ['chrome://settings', 'file:///etc/passwd', 'chrome-extension://x/panel.html', 'javascript:1', 'data:text/html,x', '', 'about:blank']) {
    assert.equal(choose(address), null, address);
  }
});

test('a desk is https, or http on this machine only', () => {
  assert.equal(deskAddress('desk.heting.example'), 'https://desk.heting.example');
  assert.equal(deskAddress(' https://desk.heting.example/drafts?x=1 '), 'https://desk.heting.example');
  assert.equal(deskAddress('http://desk.localhost:8080/'), 'http://desk.localhost:8080');
  for (const bad of ['http://desk.heting.example', 'http://localhost.evil.example', 'http://evillocalhost', 'https://a:b@desk.example', 'ftp://desk.example', 'javascript:alert(1)', '', '//']) {
    assert.equal(deskAddress(bad), null, bad);
  }
  assert.equal(pattern('http://desk.localhost:8080'), 'http://desk.localhost/*');
});

test('a reply says done, repeat, pair again, or why not', () => {
  assert.deepEqual(judge(200, '{"a":1}'), { a: 1 });
  assert.deepEqual(judge(204, ''), {});
  assert.throws(() => judge(401, '{"code":"session_gone"}'), SessionGone);
  for (const status of [408, 429, 500, 502, 503, 504]) assert.throws(() => judge(status, '{"code":"log_unavailable"}'), Offline);
  assert.throws(() => judge(200, '<html>a portal\'s sign-in page</html>'), Offline);
  assert.throws(() => judge(422, '{"code":"invalid","title":"不行","status":200}'), (error) => error instanceof Refusal && error.problem.code === 'invalid' && error.problem.status === 422);
});

test('a picture is what its first bytes say', async () => {
  assert.equal(asPicture(Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0, 0))?.type, 'image/png');
  assert.equal(asPicture(Uint8Array.of(0xff, 0xd8, 0xff, 0xe0))?.type, 'image/jpeg');
  assert.equal(asPicture(new TextEncoder().encode('<svg onload=alert(1)>')), null);
  assert.equal(asPicture(new TextEncoder().encode('RIFF0000WAVE')), null);
  assert.equal(asPicture(new TextEncoder().encode('RIFF0000WEBPVP8 '))?.type, 'image/webp');
  assert.equal(asPicture(new Uint8Array()), null);
});

const fine = {
  title: '秋收之后', summary: '', author: '', html: '<p>正文</p>', pictures: [], facts: { category: 'news' }, source: { kind: 'original', name: '', url: '' },
  channels: ['chn_000001'], scheduled: null,
};
const now = new Date('2026-11-23T02:00:00Z');
const fields = (change) => faults({ ...fine, ...change }, now).map((item) => item.field);

test('a complete draft lacks nothing, and each gap is named at its place', () => {
  assert.deepEqual(fields({}), []);
  assert.deepEqual(fields({ title: '' }), ['title']);
  assert.deepEqual(fields({ title: '𠮷'.repeat(64) }), []);
  assert.deepEqual(fields({ title: '题'.repeat(65) }), ['title']);
  assert.deepEqual(fields({ html: '<p> &nbsp;<br></p>' }), ['body']);
  assert.deepEqual(fields({ pictures: [{ url: 'https://a.example/1.png', alt: '', read: false }] }), ['body']);
  assert.deepEqual(fields({ facts: { category: '' } }), ['category']);
  assert.deepEqual(fields({ source: { kind: 'reprinted', name: '', url: 'javascript:alert(1)' } }), ['sourceName', 'sourceUrl']);
  assert.deepEqual(fields({ channels: [] }), ['channels']);
  assert.deepEqual(fields({ scheduled: '2026-11-23T01:59:00.000Z' }), ['scheduled']);
  assert.deepEqual(fields({ scheduled: '2026-11-23T02:01:00.000Z' }), []);
});

test('an empty summary stands for the first fifty-four characters', () => {
  assert.equal([...standIn(` 𠮷${'字'.repeat(80)}`)].length, 54);
});

test('the account on the page is a channel only by its whole name on its own platform', () => {
  const channel = { id: 'c', platform: 'wechat', account: 'gh_1', name: '禾汀灌溉', unit: 'u', filing: 'filed', operations: [] };
  assert.equal(isAccount(channel, { site: 'wechat', account: ' 禾汀灌溉 ' }), true);
  assert.equal(isAccount(channel, { site: 'wechat', account: '禾汀' }), false);
  assert.equal(isAccount(channel, { site: 'weibo', account: '禾汀灌溉' }), false);
  assert.equal(isAccount(channel, { site: 'wechat', account: '' }), false);
});

test('full-width letters of an input method become the code', () => {
  assert.equal(halfWidth('ａｂ12－３４ c d'), 'AB1234CD');
});

test('an address names one article, or whatever is being written', () => {
  const cases = {
    'https://mp.weixin.qq.com/cgi-bin/appmsg?t=media/appmsg_edit&action=edit&appmsgid=100000001': true, 'https://mp.weixin.qq.com/cgi-bin/appmsg?t=media/appmsg_edit&isNew=1': false,
    'https://weibo.com/': false, 'https://card.weibo.com/article/v5/editor#/draft/4321': true, 'https://card.weibo.com/article/v5/editor': false,
    'https://news.heting.example/wp-admin/post.php?post=1&action=edit': true, 'https://news.heting.example/wp-admin/post-new.php': false, 'https://news.heting.example/2026/': false,
  };
  for (const [address, one] of Object.entries(cases)) assert.equal(choose(address)?.one(new URL(address)), one, address);
});

test('a nudge too early is an answer, any other "too many" is tried again', () => {
  assert.throws(() => judge(429, '{"code":"nudged","title":"两小时内已经催办过"}'), (error) => error instanceof Refusal && error.problem.code === 'nudged');
  assert.throws(() => judge(429, '{"code":"throttled"}'), Offline);
});

test('taking something down needs no text', () => {
  assert.deepEqual(fields({ title: '', html: '', facts: { category: '' }, act: { operation: 'withdraw', channel: 'ch_1', previous: 'pub_1' } }), []);
  assert.deepEqual(fields({ title: '', act: { operation: 'edit', channel: 'ch_1', previous: 'pub_1' } }), ['title']);
});
