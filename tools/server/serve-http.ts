/** An app behind a port, and its orderly end: /healthz says 503, then the port closes, then what was asked is answered, then nothing. */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { type AddressInfo, Server as NetServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { createAdaptorServer, type HttpBindings } from "@hono/node-server";
import { FileError } from "../../src/errors.ts";
import type { App } from "./app.ts";

export interface HttpServer {
  readonly url: string;
  /** Ends the server; resolves when every request is answered, or after `grace` milliseconds without those that are not. */
  stop(options: StopOptions): Promise<void>;
}

export interface StopOptions {
  /** Milliseconds that requests in flight get. */
  readonly grace: number;
  /** Milliseconds that the port stays open at least, while /healthz says 503. */
  readonly drain: number;
}

/** Each may hold a body: what they can take of memory is this times the largest body. */
const mostConnections = 512;

/** A body that takes longer to arrive is not worth waiting for. */
const requestTimeout = 30_000;

/** Longer than load balancers keep a connection idle, so that it is they who close it, and never while they send a request. */
const keepAliveTimeout = 75_000;

/** How often connections that are idle are closed once the port is. The first time is late enough for clients that ask every now and then. */
const closingInterval = 1000;

/** Throws `FileError` when the address cannot be listened on. */
export async function serveHttp(app: App, host: string, port: number): Promise<HttpServer> {
  const inFlight = new Set<ServerResponse>();
  let closing = false;
  const fetch = async (request: Request, { incoming, outgoing }: HttpBindings): Promise<Response> => {
    const response = await app.fetch(request, { incoming, outgoing });
    if (closing || !incoming.complete) outgoing.shouldKeepAlive = false;
    return incoming.complete ? response : endingAfter(response, restOf(incoming));
  };
  const server = createAdaptorServer({
    fetch: fetch as Parameters<typeof createAdaptorServer>[0]["fetch"],
    autoCleanupIncoming: false,
    serverOptions: { requestTimeout, keepAliveTimeout },
  }) as Server;
  server.on("request", (_, outgoing: ServerResponse) => {
    inFlight.add(outgoing);
    outgoing.once("close", () => inFlight.delete(outgoing));
  });
  server.maxConnections = mostConnections;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => reject(cannotListen(host, port, cause)));
    server.listen(port, host, resolve);
  });
  const { port: bound, address, family } = server.address() as AddressInfo;
  return {
    url: `http://${family === "IPv6" ? `[${address}]` : address}:${bound}`,
    async stop({ grace, drain }) {
      app.drain();
      const ended = new AbortController();
      const late = delay(grace, null, { signal: ended.signal }).catch(() => null);
      await Promise.race([late, Promise.all([delay(drain), ...[...inFlight].map(answered)])]);
      // From now on every answer ends its connection. The close of an HTTP server would also cut connections on which a request is about to arrive.
      closing = true;
      const closed = new Promise<void>((resolve) => NetServer.prototype.close.call(server, () => resolve()));
      const idle = setInterval(() => server.closeIdleConnections(), closingInterval);
      await Promise.race([late, closed]);
      clearInterval(idle);
      ended.abort();
      server.closeAllConnections();
      server.close();
      await closed;
    },
  };
}

const answered = (outgoing: ServerResponse) => new Promise<void>((resolve) => outgoing.once("close", () => resolve()));

/**
 * Reads what is left of a body, and keeps none of it. A client that still sends when the connection closes may lose the answer: the system resets
 * a connection on which unread bytes arrive.
 */
function restOf(incoming: IncomingMessage): Promise<void> {
  return new Promise((resolve) => {
    for (const event of ["end", "close", "error"]) incoming.once(event, () => resolve());
    incoming.resume();
  });
}

/** The same response, whose body ends when `work` has: it is sent at once, and the connection stays open until then. */
function endingAfter(response: Response, work: Promise<void>): Response {
  const body = new ReadableStream<Uint8Array>({
    async start(controller) {
      controller.enqueue(new Uint8Array(await response.arrayBuffer()));
      await work;
      controller.close();
    },
  });
  return new Response(body, { status: response.status, headers: response.headers });
}

const reasons: Readonly<Record<string, readonly [found: string, remedy: string]>> = {
  EADDRINUSE: ["another program listens there", "Choose another --port, or end that program."],
  EACCES: ["permission denied", "Choose a --port of 1024 or above."],
  EADDRNOTAVAIL: ["this machine has no such address", "Give an address of this machine as --host, or 0.0.0.0 for all of them."],
  ENOTFOUND: ["there is no such host", "Give an address of this machine as --host, or 0.0.0.0 for all of them."],
};

function cannotListen(host: string, port: number, cause: NodeJS.ErrnoException): FileError {
  const [found, remedy] = reasons[cause.code ?? ""] ?? [cause.message, "Choose another --host or --port."];
  return new FileError(`cannot listen on ${host}:${port}: ${found}`, remedy, { cause });
}
