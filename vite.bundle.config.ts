/** The package as one file for `<script type="module">` and workers without a bundler: `dist/simcse-webgpu.min.js`. */
import { defineConfig } from "vite";

export default defineConfig({
  publicDir: false,
  // The worker's script lies beside the bundle.
  base: "./",
  worker: { format: "es", rolldownOptions: { output: { entryFileNames: "simcse-webgpu.thread.min.js" } } },
  build: {
    lib: { entry: "src/index.ts", formats: ["es"], fileName: () => "simcse-webgpu.min.js" },
    outDir: "dist",
    // The compiled modules lie there too.
    emptyOutDir: false,
    target: "es2022",
    minify: true,
    // Packages that few pages need: a page that does gives their addresses in an import map.
    rolldownOptions: { external: ["@mlc-ai/web-tokenizers", "ml-matrix"], output: { codeSplitting: false, minify: true } },
  },
});
