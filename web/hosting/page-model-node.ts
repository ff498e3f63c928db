/** The model that comes with the page: the build puts its files into the site's folder `model/`, and tells the scripts what is there. */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, join, resolve, sep } from "node:path";
import type { Plugin } from "vite";
import { defaultModel } from "../../src/simcse/checkpoint/default-model.ts";

/** The repository's own model, in 8 bits. */
const ownModel = join("models", "package", defaultModel.name);

/** Serves the model in development, and copies it into the built site. `PAGE_MODEL_FOLDER` names another one than the repository's. */
export function pageModel(): Plugin {
  const folder = resolve(process.env.PAGE_MODEL_FOLDER ?? ownModel);
  const files = existsSync(join(folder, "config.json"))
    ? readdirSync(folder, { recursive: true, encoding: "utf8" })
        .filter((file) => statSync(join(folder, file)).isFile())
        .map((file) => file.split(sep).join("/"))
    : [];
  const bytes = files.reduce((sum, file) => sum + statSync(join(folder, file)).size, 0);
  const hash = createHash("sha256");
  for (const file of files) hash.update(file).update(readFileSync(join(folder, file)));
  const facts = files.length > 0 ? { name: basename(folder), files, bytes, version: hash.digest("hex").slice(0, 16) } : null;
  return {
    name: "page-model",
    config: () => ({ define: { PAGE_MODEL: JSON.stringify(facts) } }),
    configureServer(server) {
      server.middlewares.use("/model/", (request, response, next) => {
        const file = decodeURIComponent((request.url ?? "").split("?")[0]!.slice(1));
        if (files.includes(file)) response.end(readFileSync(join(folder, file)));
        else next();
      });
    },
    generateBundle() {
      for (const file of files) this.emitFile({ type: "asset", fileName: `model/${file}`, source: readFileSync(join(folder, file)) });
    },
  };
}
