/** Error responses, in OpenAI's format. */
import type { Context } from "hono";
import { DataError, OptionError, SimcseError } from "../../src/errors.ts";
import { QueueFullError } from "./batching-queue.ts";

type Status = 400 | 401 | 403 | 404 | 405 | 413 | 415 | 429 | 500 | 503;

/** A refused request, with its HTTP status. */
export class RequestError extends Error {
  constructor(
    readonly status: Status,
    message: string,
    /** The invalid field of the request. */
    readonly field: string | null = null,
    readonly code: string | null = null,
  ) {
    super(message);
  }
}

const kinds: Readonly<Record<Status, string>> = {
  400: "invalid_request_error",
  401: "authentication_error",
  403: "permission_error",
  404: "invalid_request_error",
  405: "invalid_request_error",
  413: "invalid_request_error",
  415: "invalid_request_error",
  429: "rate_limit_error",
  500: "server_error",
  503: "server_error",
};

export function refuse(context: Context, { status, message, field, code }: RequestError): Response {
  return context.json({ error: { message, type: kinds[status], param: field, code } }, status);
}

/** The response to an error thrown while handling a request. Internal errors go to `log` and not to the caller. */
export function answerError(error: unknown, context: Context, log: (line: string) => void): Response {
  if (error instanceof RequestError) return refuse(context, error);
  if (error instanceof QueueFullError) {
    context.header("Retry-After", String(error.retryAfter));
    return refuse(context, new RequestError(429, `${error.message} ${error.remedy}`, null, "queue_full"));
  }
  if (error instanceof OptionError || error instanceof DataError)
    return refuse(context, new RequestError(400, `${error.message} ${error.remedy}`));
  log(
    `error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}${error instanceof SimcseError ? `\n  ${error.remedy}` : ""}`,
  );
  return refuse(context, new RequestError(500, "The server failed; its log says why."));
}
