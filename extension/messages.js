/**
 * The message table (pure): who may ask the worker what.
 *
 * `own` answers the extension's own pages, `page` answers scripts inside web pages. A name that is not in the table of the
 * sender's tier is refused and counted; a sender that is not this extension is not answered at all.
 */

/** @typedef {import('./types').Tables} Tables */
/** @typedef {import('./types').Sender} Sender */

/** Raised for a message that must not be answered; `code` is `foreign_sender` or `unknown_message`. */
export class Refused extends Error {
  /** @param {'foreign_sender' | 'unknown_message'} code */
  constructor(code) {
    super(code);
    this.code = code;
  }
}

/**
 * Return the sender's tier: `own` for a page of this extension, `page` for a script of ours inside a web page.
 * @param {Sender} sender @param {{id: string, origin: string}} self @returns {'own' | 'page'}
 */
export function tier(sender, self) {
  if (sender.id !== self.id) throw new Refused('foreign_sender');
  const ours = sender.origin === self.origin && (sender.url ?? '').startsWith(`${self.origin}/`);
  return ours ? 'own' : 'page';
}

/**
 * Return the handler for `message`, or raise `Refused`.
 * @param {Tables} tables @param {unknown} message @param {Sender} sender @param {{id: string, origin: string}} self
 */
export function route(tables, message, sender, self) {
  const level = tier(sender, self);
  const name = typeof message === 'object' && message !== null && 'name' in message ? message.name : undefined;
  if (typeof name !== 'string' || !Object.hasOwn(tables[level], name)) throw new Refused('unknown_message');
  const handler = tables[level][name];
  if (typeof handler !== 'function') throw new Refused('unknown_message');
  return handler;
}
