/** Web workers for peers that expect a browser, as far as they use them: a script in a blob, and messages in both directions. */
import { resolveObjectURL } from "node:buffer";
import { Worker } from "node:worker_threads";

/** The global objects of a worker's script. */
const prelude = `
const { parentPort } = require("node:worker_threads");
globalThis.self = globalThis;
self.postMessage = (data) => parentPort.postMessage(data);
parentPort.on("message", (data) => self.onmessage?.({ data }));
`;

class BlobWorker {
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onerror: ((event: { message: string }) => void) | null = null;
  readonly #worker: Promise<Worker>;

  constructor(url: string) {
    this.#worker = this.#start(url);
  }

  postMessage(data: unknown): void {
    this.#worker.then((worker) => worker.postMessage(data));
  }

  async #start(url: string): Promise<Worker> {
    const worker = new Worker(prelude + (await resolveObjectURL(url)!.text()), { eval: true });
    worker.on("message", (data) => this.onmessage?.({ data }));
    worker.on("error", ({ message }: Error) => this.onerror?.({ message }));
    return worker;
  }
}

export function installWorkers(): void {
  Object.assign(globalThis, { Worker: BlobWorker });
}
