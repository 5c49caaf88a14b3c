/** The bytes of pictures, by draft and address, in IndexedDB: storage.local is too small for them. Nothing leaves from here. */

const NAME = 'pictures';

/** @returns {Promise<IDBDatabase>} */
function open() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open('qianfa', 1);
    request.onupgradeneeded = () => request.result.createObjectStore(NAME);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/**
 * @template T
 * @param {IDBTransactionMode} mode @param {(store: IDBObjectStore) => IDBRequest<T>} act @returns {Promise<T>}
 */
async function run(mode, act) {
  const database = await open();
  try {
    return await new Promise((resolve, reject) => {
      const transaction = database.transaction(NAME, mode);
      const request = act(transaction.objectStore(NAME));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = () => reject(transaction.error);
    });
  } finally {
    database.close();
  }
}

/** @param {string} draft @param {string} url @param {Blob} bytes */
export async function keepPicture(draft, url, bytes) {
  await run('readwrite', (store) => store.put(bytes, [draft, url]));
}

/** @param {string} draft @param {string} url @returns {Promise<Blob | null>} */
export async function picture(draft, url) {
  return /** @type {Blob | undefined} */ (await run('readonly', (store) => store.get([draft, url]))) ?? null;
}

/** @param {string} draft */
export async function dropPictures(draft) {
  await run('readwrite', (store) => store.delete(IDBKeyRange.bound([draft], [draft, []])));
}

const MARKS = /** @type {const} */ ([
  ['image/png', [0x89, 0x50, 0x4e, 0x47]], ['image/jpeg', [0xff, 0xd8, 0xff]], ['image/gif', [0x47, 0x49, 0x46, 0x38]],
  ['image/webp', [0x52, 0x49, 0x46, 0x46]],
]);

/**
 * Return bytes as a picture of the type that their first bytes show, or null: what a server or a page calls them is not
 * believed, and drawings (SVG) are no pictures here.
 * @param {Uint8Array} bytes @returns {Blob | null}
 */
export function asPicture(bytes) {
  const found = MARKS.find(([, mark]) => mark.every((byte, at) => bytes[at] === byte));
  if (!found) return null;
  if (found[0] === 'image/webp' && String.fromCharCode(...bytes.slice(8, 12)) !== 'WEBP') return null;
  return new Blob([/** @type {BlobPart} */ (bytes)], { type: found[0] });
}
