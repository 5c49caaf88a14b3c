/**
 * The desk's JSON API, one function a call. Device token in a header, never a cookie; no redirect is followed.
 *
 * `Offline` means that the call may be repeated with the same command id; `Refusal` carries the desk's problem (RFC 9457);
 * `SessionGone` means that the device must be paired again.
 */

import { language } from './settings.js';

/** @typedef {import('./types').Session} Session */
/** @typedef {import('./types').Problem} Problem */
/** @typedef {import('./types').DeskDraft} DeskDraft */

const DEADLINE = 20_000;
const UPLOAD_DEADLINE = 120_000;
const REPEATABLE = new Set([408, 425, 429, 500, 502, 503, 504]);

/** The desk could not be reached, or said "later": repeat the same call. */
export class Offline extends Error {}

/** The desk knows this device no longer. */
export class SessionGone extends Error {}

/** The desk said no, and why. */
export class Refusal extends Error {
  /** @param {Problem} problem */
  constructor(problem) {
    super(problem.code);
    this.problem = problem;
  }
}

/**
 * Return the desk's answer as JSON.
 * @param {{address: string, token?: string}} where @param {string} method @param {string} path
 * @param {{json?: unknown, bytes?: Blob}} [body] @returns {Promise<any>}
 */
export async function call(where, method, path, body = {}) {
  /** @type {Record<string, string>} */
  const headers = { Accept: 'application/json', 'Accept-Language': await language() };
  if (where.token) headers['Authorization'] = `Bearer ${where.token}`;
  if (body.json !== undefined) headers['Content-Type'] = 'application/json';
  else if (body.bytes) headers['Content-Type'] = body.bytes.type;
  const payload = body.json === undefined ? body.bytes : JSON.stringify(body.json);
  let response;
  let text;
  try {
    response = await fetch(`${where.address}/api/v1${path}`, {
      method, headers, ...(payload === undefined ? {} : { body: payload }), credentials: 'omit', redirect: 'error', cache: 'no-store',
      referrerPolicy: 'no-referrer', signal: AbortSignal.timeout(body.bytes ? UPLOAD_DEADLINE : DEADLINE),
    });
    text = await response.text();
  } catch (error) {
    throw new Offline(String(error));
  }
  return judge(response.status, text);
}

/** Read a reply's status and text; pure, so that a table can test it. @param {number} status @param {string} text @returns {any} */
export function judge(status, text) {
  let value = null;
  try {
    value = text ? JSON.parse(text) : {};
  } catch {
    value = null;
  }
  if (status >= 200 && status < 300 && value !== null) return value;
  if (status === 401) throw new SessionGone();
  const settled = status === 429 && value?.code === 'nudged';
  if ((REPEATABLE.has(status) && !settled) || value === null) throw new Offline(`status ${status}`);
  throw new Refusal(/** @type {Problem} */ ({ code: 'refused', title: '', detail: '', ...value, status }));
}
