import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BrokenGif, frames, size } from '../../../extension/gif.js';

/** Two dots wide, one high, two colours; each frame is one LZW row: clear, the two dots, end, in codes of three bits. */
const head = [...Buffer.from('GIF89a'), 2, 0, 1, 0, 0x80, 0, 0, 10, 20, 30, 200, 210, 220];
const control = (delay, disposal = 0, clear = -1) => [0x21, 0xf9, 4, (disposal << 2) | (clear < 0 ? 0 : 1), delay, 0, Math.max(clear, 0), 0];
const frame = (one, two, left = 0, wide = 2) => [0x2c, left, 0, 0, 0, wide, 0, 1, 0, 0, 2, 2, ...codes([4, one, two, 5]), 0];
const codes = (list) => {
  const bits = list.reduce((all, code, at) => all | (code << (3 * at)), 0);
  return [bits & 255, bits >> 8];
};
const shown = (...parts) => [...frames(Uint8Array.from([...head, ...parts.flat(), 0x3b]))].length;
const dots = (...parts) => {
  const list = [];
  for (const { delay, data } of frames(Uint8Array.from([...head, ...parts.flat(), 0x3b]))) list.push([delay, [...data]]);
  return list;
};
const [dark, light, none] = [[10, 20, 30, 255], [200, 210, 220, 255], [0, 0, 0, 0]];

test('frames are painted over each other, shown as long as browsers show them', () => {
  assert.deepEqual(size(Uint8Array.from(head)), { width: 2, height: 1 });
  assert.deepEqual(dots(control(7), frame(0, 1), control(0), frame(1, 0)), [[7, [...dark, ...light]], [10, [...light, ...dark]]]);
});

test('what is clear lets the last frame through, and a frame is taken away as it says', () => {
  assert.deepEqual(dots(control(7, 1), frame(1, 1), control(7, 1, 0), frame(0, 1)).at(-1), [7, [...light, ...light]]);
  assert.deepEqual(dots(control(7, 2), frame(1, 1), control(7, 1, 0), frame(0, 1)).at(-1), [7, [...none, ...light]]);
  assert.deepEqual(dots(control(7, 1), frame(1, 1), control(7, 3), frame(0, 0), control(7, 1, 0), frame(0, 0)).at(-1), [7, [...light, ...light]]);
});

test('a frame that lies outside paints nothing there', () => {
  assert.deepEqual(dots(control(7), frame(1, 0, 1))[0], [7, [...none, ...light]]);
  assert.equal(dots(control(7), frame(1, 0, 9))[0][1].length, 8);
});

test('what is broken, cut, empty or endless is refused', () => {
  const broken = (bytes) => assert.throws(() => [...frames(Uint8Array.from(bytes))], BrokenGif);
  for (const bytes of [[], head, [...head, 1, 2, 3], [...head, 0x21, 0xf9, 255, 0], [...head, ...frame(0, 1)], [...head, ...frame(7, 7), 0x3b],
    [...head.slice(0, 6), 0, 0, 0, 0, ...head.slice(10)], [...head, 0x2c, 0, 0, 0, 0, 2, 0, 1, 0, 0, 12, 0, 0x3b]]) broken(bytes);
  broken([...head, ...Array.from({ length: 500 }, () => frame(0, 1)).flat(), 0x3b]);
  broken([...head, ...Array.from({ length: 90 }, () => [0x2c, 0, 0, 0, 0, 255, 255, 255, 255, 0, 2, 2, 0x44, 1, 0]).flat(), 0x3b]);
  broken([...head.slice(0, 6), 255, 255, 255, 255, ...head.slice(10), ...frame(0, 1), 0x3b]);
  assert.equal(shown(frame(0, 1)), 1);
});
