/** An app behind a port, and its orderly end: no new connections, answers to what was asked, then nothing. */
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import { FileError } from "../../src/errors.ts";
import type { App } from "./app.ts";

export interface HttpServer {
  readonly url: string;
  /** Resolves when every request in flight is answered, or after `grace` milliseconds without those that are not. */
  stop(grace: number): Promise<void>;
}

/** Each may hold a body: what they can take of memory is this times the largest body. */
const mostConnections = 512;

/** A body that takes longer to arrive is not worth waiting for. */
const requestTimeout = 30_000;

/** How often connections that have become idle are closed while the server ends. */
const closingInterval = 50;

/** Throws `FileError` when the address cannot be listened on. */
export async function serveHttp(app: App, host: string, port: number): Promise<HttpServer> {
  const server = createAdaptorServer({ fetch: app.fetch, serverOptions: { requestTimeout } }) as Server;
  server.maxConnections = mostConnections;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => reject(cannotListen(host, port, cause)));
    server.listen(port, host, resolve);
  });
  const { port: bound, address, family } = server.address() as AddressInfo;
  return {
    url: `http://${family === "IPv6" ? `[${address}]` : address}:${bound}`,
    async stop(grace) {
      app.drain();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      const idle = setInterval(() => server.closeIdleConnections(), closingInterval);
      const late = setTimeout(() => server.closeAllConnections(), grace);
      await closed;
      clearInterval(idle);
      clearTimeout(late);
    },
  };
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
