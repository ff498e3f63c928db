/** Small texts in the browser's `localStorage`. If a page may not use it, or it is full, nothing is kept. */

interface LocalStorage {
  getItem(key: string): string | null;
  setItem(key: string, text: string): void;
}

export class BrowserStorage {
  /** For keys that begin with `prefix`. */
  constructor(readonly prefix: string) {}

  async read(key: string): Promise<string | null> {
    return attempt((storage) => storage.getItem(this.prefix + key));
  }

  async write(key: string, text: string): Promise<void> {
    attempt((storage) => storage.setItem(this.prefix + key, text));
  }
}

/** Both the property and its methods throw if storage is forbidden. */
function attempt<T>(use: (storage: LocalStorage) => T): T | null {
  try {
    const { localStorage } = globalThis as { readonly localStorage?: LocalStorage };
    return localStorage ? use(localStorage) : null;
  } catch {
    return null;
  }
}
