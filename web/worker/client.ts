/** The page's side: starts the worker, and makes every call a method that returns a promise. */
import type { ToPage, ToWorker } from "./messages.ts";
import type { CallOptions, Engine, Failure } from "./protocol.ts";

interface Pending {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: EngineError) => void;
  readonly onEvent: ((event: never) => void) | undefined;
}

/** An error of the worker, by name and with its remedy. */
export class EngineError extends Error implements Failure {
  override readonly name: string;
  readonly remedy: string;

  constructor({ name, message, remedy }: Failure) {
    super(message);
    this.name = name;
    this.remedy = remedy;
  }
}

/** Starts the worker that the engine runs in. Calls run one after another, except those that the worker answers during a run. */
export function startEngine(): Engine {
  const worker = new Worker(new URL("./main.ts", import.meta.url), { type: "module", name: "engine" });
  const pending = new Map<number, Pending>();
  let last = 0;

  worker.onmessage = ({ data }: MessageEvent<ToPage>) => {
    const call = pending.get(data.call);
    if (call === undefined) return;
    if ("event" in data) {
      call.onEvent?.(data.event as never);
      return;
    }
    pending.delete(data.call);
    if ("failure" in data) call.reject(new EngineError(data.failure));
    else call.resolve(data.result);
  };
  worker.onerror = (event) => {
    const error = new EngineError({
      name: "WorkerError",
      message: event.message || "The part of this page that computes could not be started.",
      remedy: "Load the page again.",
    });
    for (const { reject } of pending.values()) reject(error);
    pending.clear();
  };

  const send = (message: ToWorker) => worker.postMessage(message);
  const call = (name: keyof Engine, request: unknown, { signal, onEvent }: CallOptions<never> = {}) =>
    new Promise((resolve, reject) => {
      const id = ++last;
      pending.set(id, { resolve, reject, onEvent });
      send({ call: id, name, request });
      const stop = () => send({ stop: id });
      if (signal?.aborted) stop();
      else signal?.addEventListener("abort", stop, { once: true });
    });
  return new Proxy({} as Engine, {
    get: (_, name) => (request: unknown, options?: CallOptions<never>) => call(name as keyof Engine, request, options),
  });
}
