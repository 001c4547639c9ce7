import { type Database, type DatabaseRequest, page } from './page.js';
import type { StoredTexts } from './platform.js';

const name = '@alex/tensor';
const version = 1;
const store = 'texts';

/** Texts in a database of the page's origin (IndexedDB). It exists until the user clears the site's data. */
export const database: StoredTexts = {
  join: (folder, file) => `${folder}/${file}`,
  async read(path) {
    const text = await withDatabase((open) =>
      resultOf(open.transaction(store, 'readonly').objectStore(store).get(path)),
    );
    return text === undefined ? undefined : String(text);
  },
  makeFolder: async () => undefined,
  write: (path, text) =>
    withDatabase((open) => {
      const change = open.transaction(store, 'readwrite');
      change.objectStore(store).put(text, path);
      return new Promise((resolve, reject) => {
        change.oncomplete = () => resolve();
        // For example, because the disk is full.
        change.onabort = () => reject(change.error ?? new Error('the browser aborted the change'));
      });
    }),
};

/** Opened for each access: an open database would keep other tabs from upgrading it. */
async function withDatabase<Result>(use: (open: Database) => Promise<Result>): Promise<Result> {
  if (!page.indexedDB) throw new Error('this browser has no IndexedDB here');
  const request = page.indexedDB.open(name, version);
  request.onupgradeneeded = () => request.result.createObjectStore(store);
  const open = await resultOf(request);
  try {
    return await use(open);
  } finally {
    open.close();
  }
}

function resultOf<Result>(request: DatabaseRequest<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('the browser gives no reason'));
    request.onblocked = () => reject(new Error('another tab has an older version of the database open: close it'));
  });
}
