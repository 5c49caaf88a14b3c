/**
 * How declarations of a style are spelt in the normal form (pure): the part of `gateway/content/style.py` that an editor's text uses.
 *
 * What is not in these tables is taken out here before the desk sees it. So a desk that keeps less, or more, than what was
 * written has altered the look, and `reading.js` says so.
 */

const UNITS = '(?:px|em|rem|%|vw|vh|pt)';
const MORE = '(?:[1-9][0-9]{0,3}(?:\\.[0-9]{0,2}[1-9])?|0\\.[0-9]{0,2}[1-9])';
const LESS = '(?:[1-9][0-9]{0,2}(?:\\.[0-9]{0,2}[1-9])?|0\\.[0-9]{0,2}[1-9])';
const LENGTH = `(?:0|${MORE}${UNITS})`;
const SIGNED = `(?:0|${MORE}${UNITS}|-${LESS}${UNITS})`;
const BYTE = '(?:0|[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5])';
const COLOUR = `(?:#[0-9a-f]{6}|rgba\\(${BYTE},${BYTE},${BYTE},0\\.[0-9]{0,2}[1-9]\\)|transparent|currentcolor)`;
const LINE = '(?:none|hidden|solid|dashed|dotted|double|groove|ridge|inset|outset)';
const EDGE = `(?:thin|medium|thick|${LENGTH}|${LINE}|${COLOUR})`;
const BORDER = `${EDGE}(?: ${EDGE}){0,2}`;
const STOP = `${COLOUR}(?: (?:0|${MORE})%)?`;
const TOWARDS = `(?:(?:0|-?${LESS})deg|to (?:top|bottom|left|right)(?: (?:left|right))?)`;
const DECORATION = `(?:none|underline|overline|line-through)(?: (?:solid|double|dotted|dashed|wavy))?(?: ${COLOUR})?`;

const BOX = '(?:flex-start|flex-end|start|end|center|stretch|baseline|space-between|space-around|space-evenly|normal|left|right)';

/** @type {Record<string, string>} */
const VALUES = {
  'color': COLOUR, 'background-color': COLOUR, 'background-image': `linear-gradient\\(${TOWARDS},${STOP}(?:,${STOP}){1,9}\\)`,
  'display': '(?:block|inline|inline-block|flex|inline-flex|table|inline-table|table-row|table-cell|list-item)', 'box-sizing': '(?:border-box|content-box)',
  'justify-content': BOX, 'align-items': BOX, 'align-self': BOX, 'flex-direction': '(?:row|row-reverse|column|column-reverse)', 'border-collapse': '(?:collapse|separate)',
  'list-style-type': '(?:none|disc|circle|square|decimal|lower-alpha|upper-alpha|lower-roman|upper-roman|cjk-ideographic)',
  'font-size': `(?:small|medium|large|smaller|larger|x-small|x-large|xx-small|xx-large|${LENGTH})`,
  'font-weight': '(?:normal|bold|bolder|lighter|[1-9]00)', 'font-style': '(?:normal|italic|oblique)',
  'text-align': '(?:left|right|center|justify|start|end)', 'text-indent': SIGNED, 'text-decoration': DECORATION,
  'line-height': `(?:normal|0|${MORE}|${LENGTH})`, 'letter-spacing': `(?:normal|${SIGNED})`,
  'margin-top': `(?:auto|${SIGNED})`, 'margin-right': `(?:auto|${SIGNED})`, 'margin-bottom': `(?:auto|${SIGNED})`, 'margin-left': `(?:auto|${SIGNED})`,
  'padding-top': LENGTH, 'padding-right': LENGTH, 'padding-bottom': LENGTH, 'padding-left': LENGTH,
  'border-top': BORDER, 'border-right': BORDER, 'border-bottom': BORDER, 'border-left': BORDER, 'border-radius': `${LENGTH}(?: ${LENGTH}){0,3}`,
  'height': `(?:auto|fit-content|max-content|min-content|${LENGTH})`, 'width': `(?:auto|fit-content|max-content|min-content|${LENGTH})`, 'max-width': `(?:none|fit-content|max-content|min-content|${LENGTH})`,
  'vertical-align': `(?:baseline|top|middle|bottom|text-top|text-bottom|sub|super|${SIGNED})`,
  'white-space': '(?:normal|nowrap|pre|pre-wrap|pre-line|break-spaces)',
};
const GRAMMAR = new Map(Object.entries(VALUES).map(([name, value]) => [name, new RegExp(`^(?:${value})$`)]));

/** The properties that are kept. */
export const PROPERTIES = [...GRAMMAR.keys()];

/**
 * Return a declaration's value in the normal form's spelling, or null where it has none.
 * @param {string} name @param {string} value as the browser or the normal form spells it; colours by number @returns {string | null}
 */
export function spelt(name, value) {
  const colours = value.toLowerCase().trim().replace(/rgba?\(\s*([0-9.]+)[\s,]+([0-9.]+)[\s,]+([0-9.]+)(?:\s*[,/]\s*([0-9.]+))?\s*\)/g, (_, red, green, blue, alpha) => (
    colour([red, green, blue].map(Number), alpha === undefined ? 1 : Number(alpha))));
  const hex = colours.replace(/#([0-9a-f])([0-9a-f])([0-9a-f])(?![0-9a-f])/g, '#$1$1$2$2$3$3');
  const words = name === 'background-image' ? gradient(hex) : measured(hex);
  return GRAMMAR.get(name)?.test(words) ? words : null;
}

/** @param {string} value */
function measured(value) {
  return value.trim().split(/\s+/).map((word) => (/^[-+]?[0-9.]/.test(word) ? measure(word) : word)).join(' ');
}

/** A gradient with its direction said, in the standard's words (135 writes those of old WebKit). @param {string} value */
function gradient(value) {
  const [, old, inner = ''] = /^(-webkit-)?linear-gradient\((.*)\)$/.exec(value) ?? [];
  const parts = inner.split(/,(?![^(]*\))/).map(measured);
  const turned = /** @type {Record<string, string>} */ ({ left: 'to right', right: 'to left', top: 'to bottom', bottom: 'to top' })[parts[0] ?? ''];
  if (old && turned) parts[0] = turned;
  else if (old) return value;
  if (/^(#|rgba|transparent|currentcolor)/.test(parts[0] ?? '')) parts.unshift('to bottom');
  return `linear-gradient(${parts.map((part, at) => (at ? part.replace(/ 0$/, ' 0%') : part)).join(',')})`;
}

/** @param {number[]} parts @param {number} alpha */
function colour(parts, alpha) {
  const clear = number(Math.min(Math.max(alpha, 0), 1));
  if (clear === '0') return 'transparent';
  const bytes = parts.map((part) => Math.round(Math.min(Math.max(part, 0), 255)));
  return clear === '1' ? `#${bytes.map((byte) => byte.toString(16).padStart(2, '0')).join('')}` : `rgba(${bytes.join(',')},${clear})`;
}

/** @param {string} word */
function measure(word) {
  const [, size = '', unit = ''] = /^([-+]?[0-9.]+(?:e[-+]?[0-9]+)?)([a-z%]*)$/.exec(word) ?? [];
  if (size === '' || Number.isNaN(Number(size))) return word;
  const scale = /** @type {Record<string, number>} */ ({ in: 96, cm: 96 / 2.54, mm: 96 / 25.4, pc: 16 })[unit];
  const made = number(Number(size) * (scale ?? 1));
  return made === '0' ? '0' : `${made}${scale === undefined ? unit : 'px'}`;
}

/** @param {number} value */
function number(value) {
  const made = value.toFixed(3).replace(/\.?0+$/, '');
  return made === '-0' ? '0' : made;
}
