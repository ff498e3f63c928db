/** The `navigator` object for peers written for browsers. */
import { cpus } from "node:os";

export function installNavigator(gpu?: GPU): void {
  const navigator = { hardwareConcurrency: cpus().length, userAgent: `Node.js/${process.version}`, ...(gpu ? { gpu } : {}) };
  Object.defineProperty(globalThis, "navigator", { value: navigator, configurable: true });
}
