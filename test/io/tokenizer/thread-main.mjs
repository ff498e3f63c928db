/** The script of a thread, from its TypeScript: Node 20 loads no TypeScript in a thread by itself. */
import { register } from "tsx/esm/api";

register();
await import("../../../src/io/tokenizer/thread-main-node.ts");
