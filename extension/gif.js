/**
 * The frames of an animated GIF (GIF89a specification, sections 18–23 and appendix F), pure: a worker has no decoder that tells more
 * than the first. What bytes say is not believed: every read is bounded, and a broken file raises `BrokenGif`.
 */

/** @typedef {{delay: number, data: Uint8ClampedArray}} Frame `delay` in hundredths of a second as browsers show it; `data` is RGBA of the whole picture, overwritten by the next frame. */

const FRAMES = 400;
const DOTS = 120_000_000;
/** Browsers show a frame that asks for less than this as long as `SLOW`. */
const SHORTEST = 2;
const SLOW = 10;

/** Raised where bytes are no whole GIF. */
export class BrokenGif extends Error {}

/** Width and height in dots. @param {Uint8Array} bytes */
export function size(bytes) {
  return { width: short(bytes, 6), height: short(bytes, 8) };
}

/** Yield the frames as a browser shows them. @param {Uint8Array} bytes @returns {Generator<Frame, void>} */
export function* frames(bytes) {
  const { width, height } = size(bytes);
  if (!width || !height || width * height > DOTS) throw new BrokenGif('size');
  const data = new Uint8ClampedArray(width * height * 4);
  const flags = byte(bytes, 10);
  const shared = flags & 0x80 ? 3 * (2 << (flags & 7)) : 0;
  const colours = bytes.subarray(13, 13 + shared);
  let at = 13 + shared;
  let control = { delay: 0, clear: -1, disposal: 0 };
  let dots = 0;
  for (let count = 0; count < FRAMES;) {
    const mark = byte(bytes, at);
    if (mark === 0x3b) return;
    if (mark === 0x21) {
      if (byte(bytes, at + 1) === 0xf9) {
        const packed = byte(bytes, at + 3);
        control = { delay: short(bytes, at + 4), clear: packed & 1 ? byte(bytes, at + 6) : -1, disposal: (packed >> 2) & 7 };
      }
      at = skipped(bytes, at + 2);
      continue;
    }
    if (mark !== 0x2c) throw new BrokenGif('block');
    count += 1;
    const box = { left: short(bytes, at + 1), top: short(bytes, at + 3), width: short(bytes, at + 5), height: short(bytes, at + 7) };
    dots += width * height + box.width * box.height;
    if (dots > DOTS) throw new BrokenGif('size');
    const own = byte(bytes, at + 9);
    const table = own & 0x80 ? 3 * (2 << (own & 7)) : 0;
    const palette = table ? bytes.subarray(at + 10, at + 10 + table) : colours;
    at += 10 + table;
    const end = skipped(bytes, at + 1);
    const before = control.disposal === 3 ? data.slice() : null;
    paint(data, width, height, box, unpacked(bytes, at, box.width * box.height), palette, control.clear, Boolean(own & 0x40));
    yield { delay: control.delay < SHORTEST ? SLOW : control.delay, data };
    if (before) data.set(before);
    if (control.disposal === 2) wipe(data, width, height, box);
    control = { delay: 0, clear: -1, disposal: 0 };
    at = end;
  }
  throw new BrokenGif('frames');
}

/** @param {Uint8Array} bytes @param {number} at */
function byte(bytes, at) {
  const value = bytes[at];
  if (value === undefined) throw new BrokenGif('end');
  return value;
}

/** @param {Uint8Array} bytes @param {number} at */
function short(bytes, at) {
  return byte(bytes, at) + byte(bytes, at + 1) * 256;
}

/** The place after a row of sub-blocks. @param {Uint8Array} bytes @param {number} from */
function skipped(bytes, from) {
  let at = from;
  for (let length = byte(bytes, at); length; length = byte(bytes, at)) at += length + 1;
  return at + 1;
}

/** The colour numbers of one frame (LZW, appendix F); what is missing at the end stays 0. @param {Uint8Array} bytes @param {number} from @param {number} wanted @returns {Uint8Array} */
function unpacked(bytes, from, wanted) {
  const least = byte(bytes, from);
  if (least < 1 || least > 11) throw new BrokenGif('code');
  const out = new Uint8Array(wanted);
  const prefix = new Uint16Array(4096);
  const suffix = new Uint8Array(4096);
  const turned = new Uint8Array(4097);
  const clear = 1 << least;
  for (let code = 0; code < clear; code += 1) suffix[code] = code;
  let [width, next, last, first, filled] = [least + 1, clear + 2, -1, 0, 0];
  let [held, bits] = [0, 0];
  for (let at = from + 1, length = byte(bytes, at); length; at += length + 1, length = byte(bytes, at)) {
    for (let place = at + 1; place <= at + length; place += 1) {
      held |= byte(bytes, place) << bits;
      for (bits += 8; bits >= width;) {
        const code = held & ((1 << width) - 1);
        held >>>= width;
        bits -= width;
        if (code === clear) {
          [width, next, last] = [least + 1, clear + 2, -1];
          continue;
        }
        if (code === clear + 1) return out;
        if (code > next || (code === next && last < 0)) throw new BrokenGif('code');
        let depth = 0;
        let walk = code;
        if (code === next) {
          turned[depth++] = first;
          walk = last;
        }
        for (; walk >= clear; walk = prefix[walk] ?? 0) turned[depth++] = suffix[walk] ?? 0;
        first = suffix[walk] ?? 0;
        turned[depth++] = first;
        while (depth && filled < wanted) out[filled++] = turned[--depth] ?? 0;
        if (last >= 0 && next < 4096) {
          prefix[next] = last;
          suffix[next] = first;
          next += 1;
          if (next === 1 << width && width < 12) width += 1;
        }
        last = code;
      }
    }
  }
  return out;
}

/** @typedef {{left: number, top: number, width: number, height: number}} Box */

/** @param {Uint8ClampedArray} data @param {number} width @param {number} height @param {Box} box @param {Uint8Array} dots @param {Uint8Array} palette @param {number} clear @param {boolean} laced */
function paint(data, width, height, box, dots, palette, clear, laced) {
  const rows = laced ? [[0, 8], [4, 8], [2, 4], [1, 2]].flatMap(([from = 0, step = 1]) => Array.from({ length: Math.max(0, Math.ceil((box.height - from) / step)) }, (_, turn) => from + turn * step)) : null;
  for (let line = 0; line < box.height; line += 1) {
    const y = box.top + (rows ? rows[line] ?? 0 : line);
    for (let x = 0; x < box.width && y < height && box.left + x < width; x += 1) {
      const dot = dots[line * box.width + x] ?? 0;
      if (dot === clear) continue;
      const to = (y * width + box.left + x) * 4;
      data[to] = palette[dot * 3] ?? 0;
      data[to + 1] = palette[dot * 3 + 1] ?? 0;
      data[to + 2] = palette[dot * 3 + 2] ?? 0;
      data[to + 3] = 255;
    }
  }
}

/** @param {Uint8ClampedArray} data @param {number} width @param {number} height @param {Box} box */
function wipe(data, width, height, box) {
  for (let y = box.top; y < Math.min(height, box.top + box.height); y += 1) data.fill(0, (y * width + box.left) * 4, (y * width + Math.min(width, box.left + box.width)) * 4);
}
