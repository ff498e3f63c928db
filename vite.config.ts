/** The browser page: `vite` serves `web/` for development, `vite build` makes `web/dist`, a folder for any static web server. */
import { defineConfig } from "vite";

export default defineConfig({
  root: "web",
  // Relative addresses: the folder works wherever it is put.
  base: "./",
  build: {
    outDir: "dist",
    emptyOutDir: true,
    target: "es2022",
  },
});
