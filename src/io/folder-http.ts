/**
 * A folder behind HTTP: files are read by range where the server can, so that a tensor is fetched when it is needed.
 *
 * A server that ignores ranges works too: a file is then fetched once and kept in memory. Nothing is retried or cached beyond that; that is
 * the browser's work.
 */
import { FileError } from "../errors.ts";
import { checkRange, type Folder, missingFile, pathIn } from "./folder.ts";

/** What is known of a file after the first question about it; `whole` is held where the server would not send a part. */
interface RemoteFile {
  readonly size: number;
  readonly whole?: Uint8Array;
}

/**
 * Opens a folder behind HTTP for reading; the server is asked when a file is. `baseUrl` is the address of the folder (in a browser it may be
 * relative to the page). The folder throws FileError, naming the address, when a file is missing, refused, or the server cannot be reached.
 */
export function openHttpFolder(baseUrl: string | URL, fetch: typeof globalThis.fetch = globalThis.fetch): Folder {
  return new HttpFolder(String(baseUrl), fetch);
}

class HttpFolder implements Folder {
  readonly name: string;
  readonly #request: (url: string, init?: RequestInit) => Promise<Response>;
  readonly #files = new Map<string, Promise<RemoteFile | null>>();

  constructor(name: string, fetch: typeof globalThis.fetch) {
    this.name = name;
    // A browser's fetch refuses to be called as a method of another object.
    this.#request = (url, init) => fetch(url, init);
  }

  async has(file: string): Promise<boolean> {
    return (await this.#ask(file)) !== null;
  }

  async size(file: string): Promise<number> {
    return (await this.#known(file)).size;
  }

  async read(file: string, start = 0, end?: number): Promise<Uint8Array> {
    const { size, whole } = await this.#known(file);
    const stop = end ?? size;
    checkRange(pathIn(this, file), size, start, stop);
    if (whole !== undefined) return whole.slice(start, stop);
    if (start === stop) return new Uint8Array(0);
    const response = await this.#fetch(file, "GET", { Range: `bytes=${start}-${stop - 1}` });
    const bytes = await this.#body(file, response);
    // 200 from a server that kept to the range when it was first asked, and now sends all.
    const part = response.status === 206 ? bytes : bytes.slice(start, stop);
    if (part.length !== stop - start) {
      throw new FileError(
        `${pathIn(this, file)}: the server sent ${part.length} bytes where ${stop - start} were asked for`,
        "Try again; the file may have changed on the server while it was read.",
      );
    }
    return part;
  }

  async #known(file: string): Promise<RemoteFile> {
    const known = await this.#ask(file);
    if (known === null) throw missingFile(pathIn(this, file));
    return known;
  }

  /** Asks about a file once. A failure is not remembered, so that a later question asks again. */
  #ask(file: string): Promise<RemoteFile | null> {
    const asked = this.#files.get(file);
    if (asked !== undefined) return asked;
    const asking = this.#firstByte(file);
    this.#files.set(file, asking);
    asking.catch(() => this.#files.delete(file));
    return asking;
  }

  /** Asks for the first byte, because the answer shows all at once: is it there, how long is it, does the server keep to ranges. */
  async #firstByte(file: string): Promise<RemoteFile | null> {
    const response = await this.#fetch(file, "GET", { Range: "bytes=0-0" });
    if (response.status === 404 || response.status === 410 || isPageInstead(file, response)) {
      await response.body?.cancel();
      return null;
    }
    // 416: there is no first byte.
    if (response.status === 416) return { size: 0, whole: new Uint8Array(0) };
    const bytes = await this.#body(file, response);
    if (response.status !== 206) return { size: bytes.length, whole: bytes };
    return { size: totalSize(response) ?? (await this.#contentLength(file)) };
  }

  /** For a server of another origin that hides Content-Range from the page; Content-Length is never hidden. */
  async #contentLength(file: string): Promise<number> {
    const response = await this.#fetch(file, "HEAD", {});
    const length = response.headers.get("Content-Length");
    if (response.ok && length !== null) return Number(length);
    throw new FileError(
      `${pathIn(this, file)}: the server does not tell the size of the file`,
      "Let the server expose the header Content-Range (Access-Control-Expose-Headers), or copy the files to a server of your own.",
    );
  }

  async #fetch(file: string, method: "GET" | "HEAD", headers: Record<string, string>): Promise<Response> {
    const url = `${this.name.replace(/\/+$/, "")}/${file.split("/").map(encodeURIComponent).join("/")}`;
    try {
      return await this.#request(url, { method, headers });
    } catch (cause) {
      const remedy = "Check the address and the connection; a server of another origin must allow the page by CORS.";
      throw new FileError(`cannot reach ${pathIn(this, file)}: ${(cause as Error).message}`, remedy, { cause });
    }
  }

  async #body(file: string, response: Response): Promise<Uint8Array> {
    if (!response.ok) {
      await response.body?.cancel();
      const remedy = response.status < 500 ? "Check the address and whether the file may be read by anyone." : "Try again later.";
      throw new FileError(`${pathIn(this, file)}: the server answered ${response.status} ${response.statusText}`.trimEnd(), remedy);
    }
    try {
      return new Uint8Array(await response.arrayBuffer());
    } catch (cause) {
      throw new FileError(`${pathIn(this, file)}: the connection broke while the file was read`, "Try again.", { cause });
    }
  }
}

/** The size in `Content-Range: bytes 0-0/1234`, or undefined where it is hidden or unknown. */
function totalSize(response: Response): number | undefined {
  const match = /\/(\d+)$/.exec(response.headers.get("Content-Range") ?? "");
  return match === null ? undefined : Number(match[1]);
}

/** Servers of single-page applications answer every unknown address with their page: it is not the file that was asked for. */
function isPageInstead(file: string, response: Response): boolean {
  return response.ok && (response.headers.get("Content-Type") ?? "").startsWith("text/html") && !file.endsWith(".html");
}
