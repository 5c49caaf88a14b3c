import assert from 'node:assert/strict';
import { test } from 'node:test';
import { spelt } from '../../../extension/look.js';
import { difference, sameAddress, sameLine } from '../../../extension/reading.js';

const A = `media:sha256:${'a'.repeat(64)}`;
const B = `media:sha256:${'b'.repeat(64)}`;
const same = (mine, theirs) => assert.equal(difference(mine, theirs), null, JSON.stringify(difference(mine, theirs)));
const differs = (mine, theirs, field) => assert.equal(difference(mine, theirs)?.field, field, `${mine} / ${theirs}`);

test('what normalising may do to a text is no difference', () => {
  same('<p>一 段\n<b>粗</b></p><p><br></p>', '<p>一 段 <b>粗</b></p><p><br></p>');
  same('<p>裁\u200b员</p>', '<p>裁员</p>');
  same('<p>cafe\u0301</p>', '<p>café</p>');
  same('<p style="color:rgb(51, 51, 51)">字</p>', '<p style="color:#333333">字</p>');
  same('<p><span>字</span></p><section></section>', '<p>字</p>');
  same('<p><s>旧</s></p>', '<section style="text-decoration:line-through">旧</section>');
  same('<p>&nbsp;一&nbsp;</p>', '<p>一</p>');
  same('<a href="https://a.example/?x=[1]|2&amp;y=2">字</a>', '<a href="https://a.example/?x=%5B1%5D%7C2&amp;y=2">字</a>');
  same('<section style="margin-top:8px"></section><p>字</p>', '<p>字</p>');
});

test('a letter more, less or other is an alteration of the body', () => {
  differs('<p>四成</p>', '<p>七成</p>', 'body');
  differs('<p>不同意</p>', '<p>同意</p>', 'body');
  differs('<p>同意</p>', '<p>不同意</p>', 'body');
  differs('<p>甲乙</p>', '<p>乙甲</p>', 'body');
  differs('<p>甲</p><p>乙</p>', '<p>甲</p>', 'body');
  differs('<p>甲</p>', '<p>甲</p><p>乙</p>', 'body');
  differs('<p>同意</p>', '<p>同\u0336意\u0336</p>', 'body');
  differs('<p>同意</p>', '<p>同\u202e意</p>', 'body');
  differs('<p>1 &lt; 2</p>', '<p>1 2</p>', 'body');
});

test('pictures stand in their order, none more and none less, each with its words', () => {
  const image = (name, alt = '') => `<p><img alt="${alt}" src="${name}"></p>`;
  same(image(A) + image(B), image(A) + image(B));
  differs(image(A) + image(B), image(B) + image(A), 'pictures');
  differs(image(A), image(A) + image(B), 'pictures');
  differs(image(A) + image(B), image(A), 'pictures');
  differs(image(A, '泵站'), image(A, '塌方'), 'pictures');
  differs(`<p>甲</p>${image(A)}`, `${image(A)}<p>甲</p>`, 'body');
});

test('a link leads where it led, from the same words', () => {
  differs('<a href="https://a.example/">字</a>', '<a href="https://b.example/">字</a>', 'links');
  differs('<a href="https://a.example/">字</a>', '字', 'links');
  differs('字', '<a href="https://b.example/">字</a>', 'links');
  differs('<a href="https://a.example/">甲</a>乙', '甲<a href="https://a.example/">乙</a>', 'links');
});

test('words are not struck out, hidden, coloured away or covered', () => {
  differs('<p>同意</p>', '<p><s>同意</s></p>', 'look');
  differs('<p><s>旧价</s></p>', '<p>旧价</p>', 'look');
  differs('<p>同意</p>', '<p style="color:#ffffff">同意</p>', 'look');
  differs('<section style="background-color:#000000"><p style="color:#ffffff">字</p></section>', '<section style="background-color:#000000"><p>字</p></section>', 'look');
  differs('<p style="font-size:16px">字</p>', '<p style="font-size:1px">字</p>', 'look');
  differs('<p>字</p>', '<p>字</p><section style="background-color:#ffffff;height:500px;margin-top:-500px"></section>', 'body');
  differs('<ol><li>甲</li></ol>', '<ol start="3"><li>甲</li></ol>', 'look');
});

test('the place of a difference is told in the words around it', () => {
  assert.deepEqual(difference('<p>增产四成，村民欢喜</p>', '<p>增产七成，村民欢喜</p>'), { field: 'body', mine: '增产四成，村民欢喜', theirs: '增产七成，村民欢喜' });
});

test('lines are compared as readers see them', () => {
  assert.equal(sameLine('秋收\u200b之后 ', '秋收之后'), true);
  assert.equal(sameLine('<b>', '<b>'), true);
  for (const other of ['秋收以后', '秋收', '秋收之后！', undefined, null, 1]) assert.equal(sameLine('秋收之后', other), false, String(other));
  assert.equal(sameLine('', '词'), false);
});

test('an address is compared without its spelling', () => {
  assert.equal(sameAddress('HTTPS://A.example:443/路?'), sameAddress('https://a.example/%E8%B7%AF'));
  assert.notEqual(sameAddress('https://a.example/a%2Fb'), sameAddress('https://a.example/a/b'));
  assert.equal(sameAddress('字'), '字');
});

test('a style is spelt as the normal form spells it, or not at all', () => {
  for (const [name, value, expected] of [
    ['color', 'rgb(51, 51, 51)', '#333333'], ['color', 'rgba(0, 0, 0, 0.5)', 'rgba(0,0,0,0.5)'], ['color', 'rgba(1, 2, 3, 0)', 'transparent'], ['color', '#ABC', '#aabbcc'],
    ['color', 'rgb(1 2 3 / 0.25)', 'rgba(1,2,3,0.25)'], ['margin-left', '-0px', '0'], ['margin-top', '1in', '96px'], ['line-height', '1.750', '1.75'], ['font-size', '12.34567px', '12.346px'],
    ['border-top', '1px solid rgb(0, 0, 0)', '1px solid #000000'], ['display', 'inline-block', 'inline-block'],
    ['background-image', '-webkit-linear-gradient(left, rgb(47, 148, 97), rgba(0, 0, 0, 0.5) 50%)', 'linear-gradient(to right,#2f9461,rgba(0,0,0,0.5) 50%)'],
    ['background-image', 'linear-gradient(rgb(0, 0, 0) 0%, rgb(255, 255, 255) 100%)', 'linear-gradient(to bottom,#000000 0%,#ffffff 100%)'],
    ['text-decoration', 'underline', 'underline'],
  ]) assert.equal(spelt(name, value), expected, `${name}: ${value}`);
  for (const [name, value] of [
    ['color', 'url(x)'], ['display', 'none'], ['background-image', 'url(x)'], ['background-image', 'linear-gradient(url(x), red)'], ['color', 'oklch(1 0 0)'], ['width', 'calc(1px + 2px)'], ['position', 'fixed'], ['font-size', '12vmin'], ['border-radius', '1px / 2px'],
    ['margin-left', '-9999px'], ['width', ''], ['opacity', '0'], ['font-size', '99999px'],
  ]) assert.equal(spelt(name, value), null, `${name}: ${value}`);
});
