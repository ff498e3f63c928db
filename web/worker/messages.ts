/** The messages between page and worker. */
import type { Calls, Failure } from "./protocol.ts";

/** From the page: a call, or that a call is to stop. */
export type ToWorker = { readonly call: number; readonly name: keyof Calls; readonly request: unknown } | { readonly stop: number };

/** From the worker: an event of a call, its result, or why it failed. */
export type ToPage =
  | { readonly call: number; readonly event: unknown }
  | { readonly call: number; readonly result: unknown }
  | { readonly call: number; readonly failure: Failure };
