/** One strict transaction, which puts one blob: what a bare program does with IndexedDB. */

export function openBare(name: string): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => request.result.createObjectStore('journal');
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** @param explicit commits at once, as a careful program does; else the browser does by itself, when it has told of the put */
export function store(database: IDBDatabase, blob: Uint8Array, key: number, explicit: boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const transaction = database.transaction('journal', 'readwrite', { durability: 'strict' });
    transaction.objectStore('journal').put(blob, key);
    if (explicit) transaction.commit();
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
  });
}

export function clear(database: IDBDatabase): Promise<void> {
  return new Promise((resolve) => {
    const transaction = database.transaction('journal', 'readwrite');
    transaction.objectStore('journal').clear();
    transaction.oncomplete = () => resolve();
  });
}
