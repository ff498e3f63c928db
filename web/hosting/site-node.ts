/**
 * The parts of the build that make it a site: in every page the policy, the manifest, the icon and the service worker's registration; the list
 * of all files for the service worker; and the policy as headers, for hosts that read a `_headers` file.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join, resolve, sep } from "node:path";
import type { HtmlTagDescriptor, Plugin } from "vite";
import { contentSecurityPolicy } from "./content-security-policy.ts";

/** The name of the built service worker, which must not change between versions. */
export const serviceWorkerFile = "service-worker.js";

/** What the service worker does not store: itself, what only hosts read, and models. */
const isStored = (file: string) => file !== serviceWorkerFile && file !== "_headers" && !file.startsWith("model/");

/** Bytes from which a file is only stored when it is used: the official tokenizers library, which few models need. */
const largeBytes = 2 ** 20;

const tag = (name: string, attrs: Record<string, string>): HtmlTagDescriptor => ({ tag: name, attrs, injectTo: "head-prepend" });

/** Vite's development server puts styles into its pages and reloads them, which the policy forbids, so all this is for the built site. */
export function site(): Plugin {
  let folder = "";
  return {
    name: "site",
    apply: "build",
    configResolved({ root, build }) {
      folder = resolve(root, build.outDir);
    },
    transformIndexHtml: {
      order: "pre",
      handler: () => [
        tag("meta", { "http-equiv": "Content-Security-Policy", content: contentSecurityPolicy }),
        tag("meta", { name: "referrer", content: "no-referrer" }),
        tag("link", { rel: "manifest", href: "/manifest.webmanifest" }),
        tag("script", { type: "module", src: "/hosting/register-service-worker.ts" }),
      ],
    },
    closeBundle() {
      writeFileSync(
        join(folder, "_headers"),
        `/*\n  Content-Security-Policy: ${contentSecurityPolicy}; frame-ancestors 'none'\n  X-Content-Type-Options: nosniff\n`,
      );
      const files = readdirSync(folder, { recursive: true, encoding: "utf8" })
        .filter((file) => statSync(join(folder, file)).isFile())
        .map((file) => file.split(sep).join("/"))
        .filter(isStored)
        .sort();
      const hash = createHash("sha256");
      for (const file of files) hash.update(file).update(readFileSync(join(folder, file)));
      const isLarge = (file: string) => statSync(join(folder, file)).size >= largeBytes;
      const listed = JSON.stringify({
        version: hash.digest("hex").slice(0, 16),
        files: files.filter((file) => !isLarge(file)),
        large: files.filter(isLarge),
      });
      const worker = join(folder, serviceWorkerFile);
      writeFileSync(worker, `const site = ${listed};\n${readFileSync(worker, "utf8")}`);
    },
  };
}
