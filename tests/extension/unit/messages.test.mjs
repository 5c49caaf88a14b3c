import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Refused, route, tier } from '../../../extension/messages.js';

const self = { id: 'fbblnbpmdnifioeinmcbeppnmmmglfkc', origin: 'chrome-extension://fbblnbpmdnifioeinmcbeppnmmmglfkc' };
const own = { id: self.id, origin: self.origin, url: `${self.origin}/panel/panel.html` };
const page = { id: self.id, origin: 'https://mp.weixin.qq.com', url: 'https://mp.weixin.qq.com/cgi-bin/appmsg', tab: {} };
const tables = { own: { submit: () => 'submitted' }, page: { hello: () => 'hello' } };
const refused = (code) => (error) => error instanceof Refused && error.code === code;

test('our own page is answered from its own table', () => {
  assert.equal(route(tables, { name: 'submit' }, own, self)(), 'submitted');
});

test('a script in a web page does not reach what our own pages may ask', () => {
  assert.equal(tier(page, self), 'page');
  assert.throws(() => route(tables, { name: 'submit' }, page, self), refused('unknown_message'));
  assert.equal(route(tables, { name: 'hello' }, page, self)(), 'hello');
});

test('another extension is not answered at all', () => {
  const other = { ...own, id: 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' };
  assert.throws(() => route(tables, { name: 'submit' }, other, self), refused('foreign_sender'));
  assert.throws(() => route(tables, { name: 'hello' }, { ...own, id: undefined }, self), refused('foreign_sender'));
});

test('an origin that only begins or ends like ours is a page', () => {
  assert.equal(tier({ ...own, origin: `${self.origin}.example.com` }, self), 'page');
  assert.equal(tier({ ...own, url: `${self.origin}.example.com/panel.html` }, self), 'page');
  assert.equal(tier({ id: self.id, url: own.url }, self), 'page');
  assert.equal(tier({ id: self.id, origin: 'null', url: 'about:srcdoc' }, self), 'page');
});

test('unknown names, inherited names and malformed messages are refused', () => {
  for (const message of [{ name: 'publish' }, { name: 'constructor' }, { name: '__proto__' }, { name: 'toString' }, { name: 1 }, {}, null, 'submit', undefined]) {
    assert.throws(() => route(tables, message, own, self), refused('unknown_message'));
  }
});
