/** simcse-webgpu in a browser: the whole package except what reads and writes files on disk. */
export { openDevice } from "./gpu/browser.ts";
export * from "./package.ts";
export { SimCSE } from "./simcse/simcse-browser.ts";
export { openTuning } from "./tuning/tuning-browser.ts";
