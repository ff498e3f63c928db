/**
 * What the pages may load and contact: their own files, and models on the Hugging Face hub. Nothing inline, nothing from other hosts.
 */

/** The hub, and the hosts that its downloads are redirected to. */
const hub = ["https://huggingface.co", "https://*.huggingface.co", "https://*.hf.co"];

const directives: Readonly<Record<string, readonly string[]>> = {
  "default-src": ["'none'"],
  // WebAssembly is for tokenizers that JavaScript does not run: the official library, loaded when a model needs it.
  "script-src": ["'self'", "'wasm-unsafe-eval'"],
  "worker-src": ["'self'"],
  "style-src": ["'self'"],
  "img-src": ["'self'", "blob:"],
  "manifest-src": ["'self'"],
  "connect-src": ["'self'", ...hub],
  "base-uri": ["'none'"],
  "form-action": ["'none'"],
};

/** The policy as a header or a meta element has it. */
export const contentSecurityPolicy: string = Object.entries(directives)
  .map(([name, sources]) => [name, ...sources].join(" "))
  .join("; ");
