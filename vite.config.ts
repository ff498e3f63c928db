/** The web app: `vite` serves `web/` for development, `vite build` makes `dist/web`, a folder that any static web server serves from any path. */
import { resolve } from "node:path";
import { defineConfig } from "vite";
import { pageModel } from "./web/hosting/page-model-node.ts";
import { serviceWorkerFile, site } from "./web/hosting/site-node.ts";

export default defineConfig({
  root: "web",
  // Relative addresses: the folder works wherever it is put.
  base: "./",
  resolve: { alias: { "simcse-webgpu/browser": resolve("src/index.ts") } },
  plugins: [pageModel(), site()],
  worker: { format: "es" },
  build: {
    outDir: "../dist/web",
    emptyOutDir: true,
    target: "es2022",
    // The policy forbids scripts and styles inside of pages.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: {
        index: resolve("web/index.html"),
        "under-the-hood": resolve("web/under-the-hood/index.html"),
        "service-worker": resolve("web/hosting/service-worker.ts"),
      },
      output: { entryFileNames: ({ name }) => (name === "service-worker" ? serviceWorkerFile : "assets/[name]-[hash].js") },
    },
  },
});
