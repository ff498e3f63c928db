/**
 * A folder behind HTTP. Files are read by range where the server supports it, so that a tensor is fetched when it is needed.
 *
 * Requests are few, because each costs a round trip. The first access to a file fetches its first mebibyte, which is all of most files.
 * Ranges that are requested together, such as the tensors of a layer, are joined if they are close to each other and fetched eight at a
 * time. A server that ignores ranges works too: a file is then fetched once and kept in memory. Nothing else is retried or cached; that is
 * left to the browser.
 */
import { FileError } from "../errors.ts";
import { checkOptions, type OptionNames } from "../options.ts";
import { checkRange, type Folder, missingFile, pathIn } from "./folder.ts";
import { joinedRanges, type PendingRange } from "./folders/joined-ranges.ts";
import { RequestQueue } from "./folders/request-queue.ts";

/** Progress of a file, in bytes. */
export interface FileProgress {
  readonly file: string;
  readonly done: number;
  /** The file's size. Some of it may not be needed. */
  readonly total: number;
}

/** Options of `openHttpFolder`, and of `SimCSE.load` in a browser. */
export interface HttpFolderOptions {
  /** Sends a request; the environment's `fetch` if absent. */
  readonly fetch?: typeof globalThis.fetch | undefined;
  /**
   * The names of all files in the folder. No other file is requested, so the browser's console shows no 404 for optional files. If absent,
   * the server is asked, except for an address of the Hugging Face hub (`…/resolve/main`), where the hub lists the files.
   */
  readonly files?: Iterable<string> | undefined;
  /** Aborts the current requests and all later reads. */
  readonly signal?: AbortSignal | undefined;
  /** Called as the bytes of a file arrive. */
  readonly onProgress?: ((progress: FileProgress) => void) | undefined;
}

/** The names of the options, for calls that take these and others. */
export const httpFolderOptions: OptionNames<HttpFolderOptions> = { fetch: true, files: true, signal: true, onProgress: true };

/** How much the first access to a file requests. */
const HEAD_BYTES = 2 ** 20;
/** A little more than the number of connections that browsers open to one server over HTTP/1.1. */
const MOST_REQUESTS = 8;

/** A repository with more pages of files than this is asked for each file. */
const MOST_PAGES = 100;

/** What is known about a file after its first access. */
interface RemoteFile {
  readonly size: number;
  /** The file's first bytes; the whole file if the server does not send parts. */
  readonly head: Uint8Array;
  readonly arrivals: Arrivals;
}

/** Bytes of a file that have arrived, and its size once that is known. */
interface Arrivals {
  done: number;
  total: number | undefined;
}

/**
 * Opens a folder behind HTTP for reading. Nothing is requested until a file is accessed. `baseUrl` is the address of the folder (in a
 * browser it may be relative to the page), or that of a model's page on the hub. A query, such as a signature of Azure's, is sent for every
 * file and not shown in messages. The folder throws FileError, naming the address, when a file is missing, refused, or the server
 * cannot be reached, and the signal's reason when it is aborted. Throws OptionError for an unknown option.
 */
export function openHttpFolder(baseUrl: string | URL, options: HttpFolderOptions = {}): Folder {
  checkOptions("openHttpFolder", options, httpFolderOptions);
  const [, path = "", query = ""] = /^([^?#]*)(\?[^#]*)?/.exec(String(baseUrl))!;
  return new HttpFolder(hubFolder(path.replace(/\/+$/, "")), query, options);
}

/** The address of a model's files on the hub, for that of a page about them; any other address as it is. */
function hubFolder(address: string): string {
  const page = /^(https:\/\/huggingface\.co\/[^/]+\/[^/]+)(?:\/(?:tree|blob)\/([^/]+))?$/.exec(address);
  return page === null ? address : `${page[1]}/resolve/${page[2] ?? "main"}`;
}

class HttpFolder implements Folder {
  readonly name: string;
  readonly #query: string;
  readonly #send: typeof globalThis.fetch;
  readonly #options: HttpFolderOptions;
  readonly #queue = new RequestQueue(MOST_REQUESTS);
  readonly #files = new Map<string, Promise<RemoteFile | null>>();
  /** Ranges that were requested in this turn of the event loop. */
  readonly #pending = new Map<string, PendingRange[]>();
  #listing: Promise<ReadonlySet<string> | null> | undefined;

  constructor(name: string, query: string, options: HttpFolderOptions) {
    this.name = name;
    this.#query = query;
    this.#options = options;
    const send = options.fetch ?? globalThis.fetch;
    // A browser's fetch refuses to be called as a method of another object.
    this.#send = (url, init) => send(url, init);
  }

  async has(file: string): Promise<boolean> {
    return (await this.#ask(file)) !== null;
  }

  async size(file: string): Promise<number> {
    return (await this.#known(file)).size;
  }

  async read(file: string, start = 0, end?: number): Promise<Uint8Array> {
    const { size, head } = await this.#known(file);
    const stop = end ?? size;
    checkRange(pathIn(this, file), size, start, stop);
    if (stop <= head.length) return head.slice(start, stop);
    return new Promise((resolve, reject) => {
      const ranges = this.#pending.get(file) ?? [];
      if (ranges.length === 0) {
        this.#pending.set(file, ranges);
        setTimeout(() => this.#fetchPending(file), 0);
      }
      ranges.push({ start, end: stop, resolve, reject });
    });
  }

  /** Fetches the ranges of a file that were requested in one turn; neighbours are joined. */
  #fetchPending(file: string): void {
    const ranges = this.#pending.get(file) ?? [];
    this.#pending.delete(file);
    for (const { start, end, parts } of joinedRanges(ranges)) {
      this.#fetchRange(file, start, end).then(
        (bytes) => {
          for (const part of parts) part.resolve(parts.length === 1 ? bytes : bytes.slice(part.start - start, part.end - start));
        },
        (error: unknown) => {
          for (const part of parts) part.reject(error);
        },
      );
    }
  }

  #fetchRange(file: string, start: number, end: number): Promise<Uint8Array> {
    return this.#queue.run(async () => {
      const { arrivals } = await this.#known(file);
      const response = await this.#fetch(file, "GET", { Range: `bytes=${start}-${end - 1}` });
      const bytes = await this.#body(file, response, arrivals);
      // Status 200 from a server that supported ranges at first, and now sends the whole file.
      const part = response.status === 206 ? bytes : bytes.slice(start, end);
      if (part.length === end - start) return part;
      throw new FileError(
        `${pathIn(this, file)}: the server sent ${part.length} bytes where ${end - start} were asked for`,
        "Try again; the file may have changed on the server while it was read.",
      );
    });
  }

  async #known(file: string): Promise<RemoteFile> {
    const known = await this.#ask(file);
    if (known === null) throw missingFile(pathIn(this, file));
    return known;
  }

  /** Requests the first bytes of a file once. A failure is not cached, so a later call tries again. */
  #ask(file: string): Promise<RemoteFile | null> {
    const asked = this.#files.get(file);
    if (asked !== undefined) return asked;
    const asking = this.#firstBytes(file);
    this.#files.set(file, asking);
    asking.catch(() => this.#files.delete(file));
    return asking;
  }

  /** Requests the first bytes. The answer shows whether the file exists, how long it is, and whether the server supports ranges. */
  async #firstBytes(file: string): Promise<RemoteFile | null> {
    this.#listing ??= this.#listed();
    const listing = await this.#listing;
    if (listing !== null && !listing.has(file)) return null;
    return this.#queue.run(async () => {
      const response = await this.#fetch(file, "GET", { Range: `bytes=0-${HEAD_BYTES - 1}` });
      if (response.status === 404 || response.status === 410 || isPageInstead(file, response)) {
        await response.body?.cancel();
        return null;
      }
      const arrivals: Arrivals = { done: 0, total: response.status === 206 ? totalSize(response) : contentLength(response) };
      // 416: the file has no first byte.
      if (response.status === 416) return { size: 0, head: new Uint8Array(0), arrivals };
      const head = await this.#body(file, response, arrivals);
      // If the answer has fewer bytes than requested, that is the whole file. So its size is known even if the header is hidden.
      const isWhole = response.status !== 206 || head.length < HEAD_BYTES;
      arrivals.total = isWhole ? head.length : (arrivals.total ?? (await this.#sizeByHead(file)));
      return { size: arrivals.total, head, arrivals };
    });
  }

  /** The names of the files, if they are known; null if the server must be asked for each. */
  async #listed(): Promise<ReadonlySet<string> | null> {
    if (this.#options.files !== undefined) return new Set(this.#options.files);
    const hub = /^(https:\/\/huggingface\.co)\/([^/]+\/[^/]+)\/resolve\/([^/]+)$/.exec(this.name);
    if (hub === null) return null;
    const [, origin, model, revision] = hub;
    const names = new Set<string>();
    let page: string | null = `${origin}/api/models/${model}/tree/${revision}?recursive=true`;
    for (let pages = 0; page !== null; pages++) {
      const response: Response | null = pages === MOST_PAGES ? null : await this.#send(page, this.#init("GET", {})).catch(() => null);
      const entries: unknown = response?.ok === true ? await response.json().catch(() => null) : null;
      if (!Array.isArray(entries)) return null;
      for (const { path } of entries as readonly { readonly path?: string }[]) names.add(path ?? "");
      page = nextPage(response!, origin!);
    }
    return names;
  }

  /** For a server of another origin that hides Content-Range from the page; Content-Length is never hidden. */
  async #sizeByHead(file: string): Promise<number> {
    const response = await this.#fetch(file, "HEAD", {});
    const length = contentLength(response);
    if (response.ok && length !== undefined) return length;
    throw new FileError(
      `${pathIn(this, file)}: the server does not tell the size of the file`,
      "Let the server expose the header Content-Range (Access-Control-Expose-Headers), or copy the files to a server of your own.",
    );
  }

  async #fetch(file: string, method: "GET" | "HEAD", headers: Record<string, string>): Promise<Response> {
    try {
      const path = file.split("/").map(encodeURIComponent).join("/");
      return await this.#send(`${this.name}/${path}${this.#query}`, this.#init(method, headers));
    } catch (cause) {
      this.#options.signal?.throwIfAborted();
      const remedy = this.name.startsWith("file:")
        ? "Give the address of a server; Node, Bun and Deno open folders on disk with the `SimCSE` and `openFolder` of simcse-webgpu."
        : "Check the address and the connection; a server of another origin must allow the page by CORS.";
      throw new FileError(`cannot reach ${pathIn(this, file)}: ${(cause as Error).message}`, remedy, { cause });
    }
  }

  #init(method: "GET" | "HEAD", headers: Record<string, string>): RequestInit {
    return { method, headers, signal: this.#options.signal ?? null };
  }

  async #body(file: string, response: Response, arrivals: Arrivals): Promise<Uint8Array> {
    if (!response.ok) {
      await response.body?.cancel();
      const remedy = response.status < 500 ? "Check the address and whether the file may be read by anyone." : "Try again later.";
      throw new FileError(`${pathIn(this, file)}: the server answered ${response.status} ${response.statusText}`.trimEnd(), remedy);
    }
    const { signal, onProgress } = this.#options;
    let isCallers = false;
    const whileArriving = (bytes: number) => {
      arrivals.done += bytes;
      if (arrivals.total === undefined) return;
      try {
        onProgress?.({ file, done: arrivals.done, total: arrivals.total });
      } catch (error) {
        isCallers = true;
        throw error;
      }
    };
    try {
      return new Uint8Array(await counted(response, whileArriving).arrayBuffer());
    } catch (cause) {
      signal?.throwIfAborted();
      if (isCallers) throw cause;
      throw new FileError(`${pathIn(this, file)}: the connection broke while the file was read`, "Try again.", { cause });
    }
  }
}

/** The same response, counting its bytes as they arrive. */
function counted(response: Response, count: (bytes: number) => void): Response {
  const counting = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      count(chunk.length);
      controller.enqueue(chunk);
    },
  });
  return response.body === null ? response : new Response(response.body.pipeThrough(counting));
}

function contentLength(response: Response): number | undefined {
  const length = response.headers.get("Content-Length");
  // A compressed body has more bytes than the header says.
  return length === null || response.headers.has("Content-Encoding") ? undefined : Number(length);
}

/** The size in `Content-Range: bytes 0-0/1234`, or undefined if it is hidden or unknown. */
function totalSize(response: Response): number | undefined {
  const match = /\/(\d+)$/.exec(response.headers.get("Content-Range") ?? "");
  return match === null ? undefined : Number(match[1]);
}

/** The address of the next page of a listing, or null. The hub gives a thousand files a page. */
function nextPage(response: Response, origin: string): string | null {
  const next = /<([^>]+)>;\s*rel="?next"?/.exec(response.headers.get("Link") ?? "")?.[1];
  return next?.startsWith(`${origin}/`) === true ? next : null;
}

/** Servers of single-page applications answer every unknown address with their page. That page is not the requested file. */
function isPageInstead(file: string, response: Response): boolean {
  return response.ok && (response.headers.get("Content-Type") ?? "").startsWith("text/html") && !file.endsWith(".html");
}
