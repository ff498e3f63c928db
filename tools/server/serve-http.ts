/** Serves an app on a port, with an orderly shutdown: /healthz returns 503, then the port closes, then the requests in flight are answered. */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { type AddressInfo, Server as NetServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { createAdaptorServer, type HttpBindings } from "@hono/node-server";
import { FileError } from "../../src/errors.ts";
import type { App } from "./app.ts";

export interface HttpServer {
  readonly url: string;
  /** Shuts the server down; resolves when every request is answered, or after `grace` milliseconds. */
  stop(options: StopOptions): Promise<void>;
}

export interface StopOptions {
  /** Milliseconds that requests in flight have to finish. */
  readonly grace: number;
  /** Minimum time in milliseconds that the port stays open while /healthz returns 503. */
  readonly drain: number;
}

/** Maximum number of connections. Each may hold a body, so their memory is at most this times the largest body. Further ones are closed at once. */
export const mostConnections = 512;

/** Milliseconds between two lines of the log about connections that were closed at once. */
const tellingInterval = 60_000;

/** Time limit for a body to arrive. */
const requestTimeout = 30_000;

/** Longer than load balancers keep idle connections, so that they close the connection, and never while they send a request. */
const keepAliveTimeout = 75_000;

/** Interval at which idle connections are closed after the port is. The first time is late enough for clients that poll from time to time. */
const closingInterval = 1000;

/** Throws `FileError` if the server cannot listen on the address. `log` is told what no request can be. */
export async function serveHttp(app: App, host: string, port: number, log: (line: string) => void = () => {}): Promise<HttpServer> {
  const inFlight = new Set<ServerResponse>();
  /** Requests whose clients ask for leave to send the body (`Expect: 100-continue`) and have no answer yet. */
  const asking = new WeakSet<IncomingMessage>();
  // Some clients ask and send the body at once.
  const waits = (incoming: IncomingMessage) => asking.has(incoming) && incoming.readableLength === 0;
  let closing = false;
  const fetch = async (request: Request, { incoming, outgoing }: HttpBindings): Promise<Response> => {
    const response = await app.fetch(request, { incoming, outgoing });
    if (closing || !incoming.complete) outgoing.shouldKeepAlive = false;
    return incoming.complete || waits(incoming) ? response : endingAfter(response, restOf(incoming));
  };
  const server = createAdaptorServer({
    fetch: fetch as Parameters<typeof createAdaptorServer>[0]["fetch"],
    autoCleanupIncoming: false,
    // For requests without a Host header, such as the health checks of HAProxy, which speaks HTTP/1.0.
    hostname: host.includes(":") ? `[${host}]` : host,
    serverOptions: { requestTimeout, keepAliveTimeout },
  }) as Server;
  server.on("request", (_, outgoing: ServerResponse) => {
    inFlight.add(outgoing);
    outgoing.once("close", () => inFlight.delete(outgoing));
  });
  server.on("checkContinue", (incoming: IncomingMessage, outgoing: ServerResponse) => {
    asking.add(incoming);
    // The app begins to read only what it will take; whoever is refused need not send a body.
    incoming.once("resume", () => {
      asking.delete(incoming);
      if (!outgoing.headersSent) outgoing.writeContinue();
    });
    server.emit("request", incoming, outgoing);
  });
  server.maxConnections = mostConnections;
  let toldAt = Number.NEGATIVE_INFINITY;
  server.on("drop", () => {
    if (performance.now() - toldAt < tellingInterval) return;
    toldAt = performance.now();
    log(`warning: ${mostConnections} connections are open, and further ones are closed at once: let clients share connections, or wait`);
  });
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
      // From now on every response closes its connection.
      closing = true;
      const closed = new Promise<void>((resolve) => closePort(server, () => resolve()));
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

/**
 * Closes the port; `closed` is called when the last connection has ended. Node's `close` of an HTTP server would also cut connections on which
 * a request is about to arrive. Bun has no other, since its HTTP servers are none of `net`.
 */
function closePort(server: Server, closed: () => void): void {
  const isOfNet: boolean = server instanceof NetServer;
  if (isOfNet) NetServer.prototype.close.call(server, closed);
  else server.close(closed);
}

const answered = (outgoing: ServerResponse) => new Promise<void>((resolve) => outgoing.once("close", () => resolve()));

/**
 * Reads and drops the rest of a body. If the connection closes while the client still sends, the client may lose the response, because the system
 * resets a connection with unread bytes.
 */
function restOf(incoming: IncomingMessage): Promise<void> {
  return new Promise((resolve) => {
    for (const event of ["end", "close", "error"]) incoming.once(event, () => resolve());
    incoming.resume();
  });
}

/** The same response, whose body ends when `work` ends: it is sent at once, and the connection stays open until then. */
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
