/**
 * The service worker: makes the site open without a network. It stores the files of the site when it is installed, except a few large ones,
 * which it stores when they are first used. Models are not its business: the app keeps those in the page's storage.
 *
 * Pages come from the network if it answers, so that a new version is seen at once. All other files have their version in their name.
 */
import { contentSecurityPolicy } from "./content-security-policy.ts";

/** The site's files, by paths relative to this script, and their version. `site-node.ts` writes it at the top of the built script. */
declare const site: { readonly version: string; readonly files: readonly string[]; readonly large: readonly string[] };

/** The used part of a service worker's events. TypeScript's own types for them exclude those of pages. */
interface LifecycleEvent extends Event {
  waitUntil(work: Promise<unknown>): void;
}
interface RequestEvent extends LifecycleEvent {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}

const prefix = "simcse-site-";
const cacheName = `${prefix}${site.version}`;
const scope = new URL("./", location.href);

addEventListener("install", (event) => {
  // All of these or none, from the server and not from the browser's cache.
  const store = async () => (await caches.open(cacheName)).addAll(site.files.map((file) => new Request(file, { cache: "no-cache" })));
  (event as LifecycleEvent).waitUntil(store());
});

addEventListener("activate", (event) => {
  const removeOthers = async () => {
    for (const name of await caches.keys()) if (name.startsWith(prefix) && name !== cacheName) await caches.delete(name);
  };
  (event as LifecycleEvent).waitUntil(removeOthers());
});

addEventListener("fetch", (event) => {
  const { request } = event as RequestEvent;
  const file = fileOf(new URL(request.url));
  if (request.method !== "GET" || file === null) return;
  (event as RequestEvent).respondWith(request.mode === "navigate" ? page(request, file) : stored(request, file));
});

/** The file of the site that an address names; null if it is none. */
function fileOf({ origin, pathname }: URL): string | null {
  if (origin !== scope.origin || !pathname.startsWith(scope.pathname)) return null;
  const path = pathname.slice(scope.pathname.length).replace(/(^|\/)$/, "$1index.html");
  return site.files.includes(path) || site.large.includes(path) ? path : null;
}

async function page(request: Request, file: string): Promise<Response> {
  try {
    return await fetch(request);
  } catch {
    return stored(request, file);
  }
}

/** A file from the cache; from the network if it is a large one that was never used, or if the browser removed it. */
async function stored(request: Request, file: string): Promise<Response> {
  const cache = await caches.open(cacheName);
  const found = await cache.match(file);
  if (found === undefined) {
    const fetched = await fetch(request);
    if (fetched.status === 200) await cache.put(file, fetched.clone());
    return fetched;
  }
  // A copy: a response that was redirected must not answer a navigation. Workers take their policy from the header, not from the page.
  const headers = new Headers(found.headers);
  headers.set("Content-Security-Policy", contentSecurityPolicy);
  return new Response(found.body, { headers });
}
