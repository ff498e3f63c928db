/** Access: counts requests, and refuses those without the key or with a host name that is not the server's. */
import { createHash, timingSafeEqual } from "node:crypto";
import { isIP } from "node:net";
import type { MiddlewareHandler } from "hono";
import { RequestError } from "./request-error.ts";

/** Counts requests by their route: arbitrary paths from clients must not become labels. */
export function counted(routes: ReadonlySet<string>, count: (route: string, status: number, seconds: number) => void): MiddlewareHandler {
  return async (context, next) => {
    const began = performance.now();
    await next();
    const { path } = context.req;
    count(routes.has(path) ? path : "other", context.res.status, (performance.now() - began) / 1000);
  };
}

/** Refuses requests without the key, in constant time, so that timing reveals nothing about the key. */
export function keyed(apiKey: string): MiddlewareHandler {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  const expected = digest(apiKey);
  return async (context, next) => {
    const [, given = ""] = /^bearer +(.*)$/i.exec(context.req.header("Authorization") ?? "") ?? [];
    if (!timingSafeEqual(digest(given), expected)) {
      context.header("WWW-Authenticate", "Bearer");
      throw new RequestError(401, "Give the server's key as `Authorization: Bearer …`.", null, "invalid_api_key");
    }
    return next();
  };
}

/**
 * Refuses requests with a foreign host name. Otherwise a page of `evil.example` whose address is changed to 127.0.0.1 (DNS rebinding) could read
 * the responses of a server on this machine. Names under `localhost` cannot be changed so, and addresses, which health checks of a load
 * balancer use, are no names.
 */
export function named(hosts: readonly string[]): MiddlewareHandler {
  const known = new Set(hosts.map(plainName));
  return async (context, next) => {
    const host = context.req.header("Host");
    const name = plainName(host ?? "");
    if (name !== "" && !known.has(name) && !/^(.+\.)?localhost$/.test(name) && isIP(name) === 0) {
      throw new RequestError(
        403,
        `This server is not called ${JSON.stringify(host)}. If it should be, start it with --allowed_host ${name}.`,
      );
    }
    return next();
  };
}

/** A host in lower case without its port, the brackets of an IPv6 address, and the final dot of a complete name. */
function plainName(host: string): string {
  const name = host.toLowerCase().replace(/:\d+$/, "");
  return name.startsWith("[") && name.endsWith("]") ? name.slice(1, -1) : name.replace(/\.$/, "");
}
