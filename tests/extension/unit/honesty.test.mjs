import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digest } from '../../../extension/content.js';
import { altered, declared, honest } from '../../../extension/honesty.js';

const [COVER, ONE, TWO] = ['a', 'b', 'c'].map((letter) => `sha256:${letter.repeat(64)}`);
const FACTS = { category: 'company', sensitive: false, external_quote: false, executives: false, ai_generated: false, reprinted_pictures: false };
const shape = { type: 'image/png', length: 9, width: 90, height: 38 };
const known = { sent: { 'https://a.example/cover': COVER, 'https://a.example/1': ONE, 'https://a.example/2': TWO }, shapes: { [COVER]: shape, [ONE]: shape, [TWO]: shape } };
const mine = {
  title: '题', summary: '要', author: '作', source: { kind: 'reprinted', name: '日报', url: 'https://a.example/' }, cover: 'https://a.example/cover', channels: ['ch_1'], act: null,
  facts: FACTS, scheduled: null, message: '请审', html: '<p>字</p><p><img alt="一" src="https://a.example/1"><img alt="" src="https://a.example/2"></p>',
};
const media = (role, sha256, alt = '') => ({ role, sha256, alt, ...shape });
const manifest = {
  v: 1, kind: 'article', title: '题', summary: '要', author: '作', source: mine.source, body: `<p>字</p><p><img alt="一" src="media:${ONE}"><img alt="" src="media:${TWO}"></p>`,
  media: [media('cover', COVER), media('body', ONE, '一'), media('body', TWO)], links: [],
};
const kept = { title: '题', summary: '要', author: '作', source: mine.source, cover: COVER, targets: declared(mine).targets, facts: FACTS, scheduled: null, message: '请审' };

/** What a desk answers that keeps one thing and hands in another: the digest fits its own manifest. */
async function answer(change = {}, keeps = {}) {
  const made = { ...manifest, ...change };
  return { content: await digest(made), manifest: made, kept: { ...kept, ...keeps } };
}

test('an honest desk is believed', async () => {
  assert.equal(await honest(mine, await answer(), known), null);
  assert.equal(await honest(mine, { content: null, manifest: null, kept }, known), null);
});

test('each lie in the manifest is named, with a digest that fits it', async () => {
  const lies = [
    ['title', { title: '另' }], ['summary', { summary: '' }], ['author', { author: '' }], ['source', { source: { kind: 'original', name: '', url: '' } }],
    ['source', { source: { ...mine.source, url: 'https://b.example/' } }],
    ['cover', { media: [media('cover', ONE), ...manifest.media.slice(1)] }], ['cover', { media: [media('cover', TWO), ...manifest.media.slice(1)] }],
    ['cover', { media: manifest.media.slice(1) }], ['cover', { media: [media('cover', COVER, '说'), ...manifest.media.slice(1)] }],
    ['pictures', { media: [{ ...media('cover', COVER), width: 91 }, ...manifest.media.slice(1)] }],
    ['pictures', { media: [media('cover', COVER), { ...media('body', ONE, '一'), length: 8 }, media('body', TWO)] }],
    ['body', { body: manifest.body.replace('字', '子') }],
    ['pictures', { body: manifest.body.replace(ONE, '-').replace(TWO, ONE).replace('-', TWO), media: [media('cover', COVER), media('body', TWO, '一'), media('body', ONE)] }],
  ];
  for (const [field, change] of lies) assert.equal((await honest(mine, await answer(change), known))?.field, field, JSON.stringify(change));
});

test('each lie in what is kept is named', async () => {
  const lies = [
    ['targets', { targets: [] }], ['targets', { targets: [{ channel: 'ch_1', operation: 'withdraw', previous: 'pub_1' }] }], ['facts', { facts: { ...FACTS, category: 'news' } }],
    ...Object.keys(FACTS).slice(1).map((flag) => ['facts', { facts: { ...FACTS, [flag]: true } }]), ['facts', { facts: {} }], ['scheduled', { scheduled: '2027-01-04T02:00:00.000Z' }],
    ['message', { message: '' }], ['title', { title: '另' }], ['cover', { cover: ONE }], ['cover', { cover: null }],
  ];
  for (const [field, change] of lies) assert.equal((await honest(mine, await answer({}, change), known))?.field, field, JSON.stringify(change));
  assert.equal((await honest(mine, { ...(await answer()), kept: undefined }, known))?.field, 'targets');
});

test('a digest of something else, or of no content, is named', async () => {
  const right = await answer();
  for (const wrong of [{ content: ONE }, { manifest: null }, { manifest: { ...manifest, v: 2 } }, { content: null }]) {
    const found = await honest(mine, { ...right, ...wrong }, known);
    assert.equal(found?.field ?? 'none', wrong.content === null ? 'none' : 'digest', JSON.stringify(wrong).slice(0, 60));
  }
});

test('what was handed in is held to what was declared; checks may add facts and take none away', () => {
  const handed = { content: ONE, handed: declared(mine) };
  const now = { content: ONE, targets: declared(mine).targets, facts: { ...FACTS, found: [] }, scheduled: null };
  assert.equal(altered(handed, now), null);
  assert.equal(altered(handed, { ...now, facts: { ...FACTS, sensitive: true, found: ['sensitive'] } }), null);
  const sensitive = { ...handed, handed: declared({ ...mine, facts: { ...FACTS, sensitive: true } }) };
  for (const [said, field] of [
    [{ ...now, content: TWO }, 'digest'], [{ ...now, targets: [] }, 'targets'], [{ ...now, facts: { ...FACTS, sensitive: true, found: [] } }, 'facts'],
    [{ ...now, facts: { ...FACTS, executives: true, found: ['sensitive'] } }, 'facts'], [{ ...now, scheduled: '2027-01-04T02:00:00.000Z' }, 'scheduled'], [{ ...now, facts: undefined }, 'facts'],
  ]) assert.equal(altered(handed, said)?.field, field, JSON.stringify(said));
  assert.equal(altered(sensitive, now)?.field, 'facts');
});
