/** The worker's side: receives calls, runs their handlers, and sends back events, results and failures. */
import { SimcseError } from "simcse-webgpu/browser";
import type { ToPage, ToWorker } from "./messages.ts";
import { pageFault } from "./page-fault.ts";
import type { CallContext, Failure, Handlers } from "./protocol.ts";

/** Calls that only read, and may run beside others. All other calls wait for their turn. */
const besideOthers: ReadonlySet<keyof Handlers> = new Set(["compare", "keptModels", "savedIndex", "savedRun"]);

/** Serves the calls of this worker. */
export function serve(handlers: Handlers): void {
  const post = (message: ToPage) => postMessage(message);
  const controllers = new Map<number, AbortController>();
  let turn: Promise<unknown> = Promise.resolve();

  async function run(id: number, name: keyof Handlers, request: unknown): Promise<void> {
    const { signal } = controllers.get(id)!;
    const handler = handlers[name] as (request: unknown, context: CallContext<unknown>) => Promise<unknown>;
    try {
      post({ call: id, result: await handler(request, { signal, emit: (event) => post({ call: id, event }) }) });
    } catch (error) {
      post({ call: id, failure: failureOf(error) });
    } finally {
      controllers.delete(id);
    }
  }

  addEventListener("message", ({ data }: MessageEvent<ToWorker>) => {
    if ("stop" in data) {
      controllers.get(data.stop)?.abort();
      return;
    }
    controllers.set(data.call, new AbortController());
    const start = () => run(data.call, data.name, data.request);
    if (besideOthers.has(data.name)) void start();
    else turn = turn.then(start);
  });
}

/** Any error as it crosses to the page. */
export function failureOf(error: unknown): Failure {
  if (error instanceof SimcseError) return { name: error.name, message: error.message, remedy: error.remedy };
  if (error instanceof Error && error.name === "AbortError") return { name: "AbortError", message: "Stopped.", remedy: "" };
  if (error instanceof Error && error.name === "QuotaExceededError") {
    return {
      name: "QuotaExceededError",
      message: "The browser's storage for this page is full.",
      remedy: "Remove kept models, or free space on the disk, and try again.",
    };
  }
  return pageFault(error);
}
