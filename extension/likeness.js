/**
 * Whether the picture that the desk made of ours shows the same. The desk encodes every picture anew, may scale it down until it
 * fits and may then lay a transparent one on white; anything else is an alteration.
 *
 * Both are decoded here and held against each other: dot by dot where nothing was lost in between, else by the means of small
 * squares. Colour profiles count on neither side, since the desk takes them off.
 */

import { frames, size } from './gif.js';
import { asPicture } from './pictures.js';

/** @typedef {{dot: number, square: number, grey: number, colour: number}} Tolerance by how many of 255 steps each dot's lightness, and lightness and colours of each small square, may differ */
/** @typedef {{type: string, length: number, width: number, height: number}} Measured as a manifest says it of a picture */
/** @typedef {(context: OffscreenCanvasRenderingContext2D, top: number) => void} Draw draws a picture whose row `top` is the canvas's first */

/** The same dots, but for what blending rounds away. */
const EXACT = { dot: 4, square: 1, grey: 4, colour: 4 };
/** Encoded with loss at the same size; stronger only where it had to become smaller than `FITS`. */
const LOSSY = { dot: 36, square: 4, grey: 8, colour: 60 };
const LOSSIER = { dot: 56, square: 4, grey: 12, colour: 60 };
/** Scaled by another hand than this browser's. */
const SCALED = { dot: 255, square: 8, grey: 24, colour: 40 };
/** A palette of 256 colours chosen anew. */
const PALETTE = { dot: 64, square: 4, grey: 16, colour: 60 };
/** Bytes that the desk's pictures fit into; what has fewer dots than a fourth always does. */
const FITS = 1024 * 1024;
/** Rows that are held against each other at a time: a picture may have forty million dots. */
const ROWS = 256;
/** The desk's bounds, and the least share of them that it scales to. */
const LONGEST = { width: 4096, height: 16_384 };
const LEAST = 0.15;
const GROUNDS = ['#ffffff', '#000000'];

/**
 * Return a picture as every decoder reads it the same: printing inks and sixteen bits a colour are written anew, all others stay.
 * @param {Blob} mine @returns {Promise<Blob>}
 */
export async function plain(mine) {
  const bytes = new Uint8Array(await mine.arrayBuffer());
  if (!(mine.type === 'image/jpeg' && inks(bytes)) && !(mine.type === 'image/png' && bytes[24] === 16)) return mine;
  const image = await decoded(mine);
  const canvas = new OffscreenCanvas(image.width, image.height);
  canvas.getContext('2d')?.drawImage(image, 0, 0);
  image.close();
  return canvas.convertToBlob({ type: 'image/png' });
}

/** Whether a JPEG has four components: its frame's header says so (ITU T.81, B.2.2). @param {Uint8Array} bytes */
function inks(bytes) {
  for (let at = 2; bytes[at] === 0xff && at + 9 < bytes.length;) {
    const marker = bytes[at + 1] ?? 0;
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) return bytes[at + 9] === 4;
    at += 2 + (bytes[at + 2] ?? 0) * 256 + (bytes[at + 3] ?? 0);
  }
  return false;
}

/**
 * Measure the desk's bytes where they show what ours show; null where they do not, or are no picture.
 * @param {Blob} mine what was sent @param {Uint8Array} theirs what the desk made of it @returns {Promise<Measured | null>}
 */
export async function likeness(mine, theirs) {
  const made = asPicture(theirs);
  if (!made) return null;
  const found = await (made.type === 'image/gif' ? moving(mine, theirs) : still(mine, made)).catch(() => null);
  return found && { type: made.type, length: theirs.length, ...found };
}

/** @param {Blob} mine @param {Blob} made */
async function still(mine, made) {
  if (mine.type === 'image/gif' && [...frames(new Uint8Array(await mine.arrayBuffer()))].length > 1) return null;
  const ours = await decoded(mine);
  const other = await decoded(made);
  try {
    const { width, height } = other;
    const same = ours.width === width && ours.height === height;
    if (!same && !proportioned(ours, other)) return null;
    const lossless = made.type === 'image/png' && ['image/png', 'image/gif'].includes(mine.type);
    const tolerance = !same ? SCALED : lossless ? EXACT : width * height * 4 < FITS ? LOSSY : LOSSIER;
    const draw = (/** @type {ImageBitmap} */ image) => (/** @type {OffscreenCanvasRenderingContext2D} */ context, /** @type {number} */ top) => context.drawImage(image, 0, -top, width, height);
    return alike(draw(ours), draw(other), width, height, tolerance, made.type === 'image/jpeg' ? 1 : 2) ? { width, height } : null;
  } finally {
    ours.close();
    other.close();
  }
}

/** Whether one is the other made smaller, within the desk's bounds. @param {ImageBitmap} ours @param {ImageBitmap} other */
function proportioned(ours, other) {
  const bound = Math.min(1, LONGEST.width / ours.width, LONGEST.height / ours.height);
  const share = Math.max(other.width / ours.width, other.height / ours.height);
  const off = (/** @type {number} */ own, /** @type {number} */ made) => Math.abs(own * share - made) > 1.5;
  return share <= bound + 1 / Math.max(ours.width, ours.height) && share >= bound * LEAST && !off(ours.width, other.width) && !off(ours.height, other.height);
}

/** An animation: at every moment the same picture. @param {Blob} mine @param {Uint8Array} theirs */
async function moving(mine, theirs) {
  if (mine.type !== 'image/gif') return null;
  const bytes = new Uint8Array(await mine.arrayBuffer());
  const { width, height } = size(bytes);
  if (width !== size(theirs).width || height !== size(theirs).height) return null;
  const [ours, other] = [frames(bytes), frames(theirs)];
  let [one, two] = [ours.next(), other.next()];
  let [oneEnds, twoEnds] = [one.value?.delay ?? 0, two.value?.delay ?? 0];
  while (one.value && two.value) {
    if (!alike(dots(one.value.data, width), dots(two.value.data, width), width, height, PALETTE, 2)) return null;
    const [oneOver, twoOver] = [oneEnds <= twoEnds, twoEnds <= oneEnds];
    if (oneOver) oneEnds += (one = ours.next()).value?.delay ?? 0;
    if (twoOver) twoEnds += (two = other.next()).value?.delay ?? 0;
  }
  return one.done && two.done ? { width, height } : null;
}

/** @param {Uint8ClampedArray} data @param {number} width @returns {Draw} */
function dots(data, width) {
  const sheet = new OffscreenCanvas(width, ROWS);
  return (context, top) => {
    const part = data.subarray(top * width * 4, (top + ROWS) * width * 4);
    const brush = sheet.getContext('2d', { willReadFrequently: true });
    brush?.clearRect(0, 0, width, ROWS);
    brush?.putImageData(new ImageData(new Uint8ClampedArray(part), width), 0, 0);
    context.drawImage(sheet, 0, 0);
  };
}

/** Without colour profiles, turned as its camera says. @param {Blob} blob */
function decoded(blob) {
  return createImageBitmap(blob, { colorSpaceConversion: 'none', premultiplyAlpha: 'premultiply' });
}

/**
 * Whether two pictures of one size look the same, on white and, where a ground shows through, on black.
 * @param {Draw} ours @param {Draw} other @param {number} width @param {number} height @param {Tolerance} tolerance @param {number} grounds
 */
function alike(ours, other, width, height, tolerance, grounds) {
  const sheet = new OffscreenCanvas(width, Math.min(height, ROWS));
  const context = sheet.getContext('2d', { willReadFrequently: true });
  if (!context) return false;
  context.imageSmoothingQuality = 'high';
  const shown = (/** @type {Draw} */ draw, /** @type {string} */ ground, /** @type {number} */ top) => {
    context.fillStyle = ground;
    context.fillRect(0, 0, width, sheet.height);
    draw(context, top);
    return context.getImageData(0, 0, width, Math.min(sheet.height, height - top)).data;
  };
  for (let top = 0; top < height; top += ROWS) {
    for (const ground of GROUNDS.slice(0, grounds)) if (!near(shown(ours, ground, top), shown(other, ground, top), width, tolerance)) return false;
  }
  return true;
}

/** @param {Uint8ClampedArray} one @param {Uint8ClampedArray} two @param {number} width @param {Tolerance} tolerance */
function near(one, two, width, { dot, square, grey, colour }) {
  const height = one.length / 4 / width;
  const light = (/** @type {number} */ red, /** @type {number} */ green, /** @type {number} */ blue) => Math.abs(0.299 * red + 0.587 * green + 0.114 * blue);
  for (let y = 0; y < height; y += square) {
    for (let x = 0; x < width; x += square) {
      const [right, bottom] = [Math.min(x + square, width), Math.min(y + square, height)];
      let [reds, greens, blues] = [0, 0, 0];
      for (let row = y; row < bottom; row += 1) {
        for (let at = (row * width + x) * 4, end = (row * width + right) * 4; at < end; at += 4) {
          const red = (one[at] ?? 0) - (two[at] ?? 0);
          const green = (one[at + 1] ?? 0) - (two[at + 1] ?? 0);
          const blue = (one[at + 2] ?? 0) - (two[at + 2] ?? 0);
          if (light(red, green, blue) > dot) return false;
          reds += red;
          greens += green;
          blues += blue;
        }
      }
      const count = (right - x) * (bottom - y);
      if (light(reds, greens, blues) / count > grey || Math.max(Math.abs(reds), Math.abs(greens), Math.abs(blues)) / count > colour) return false;
    }
  }
  return true;
}
