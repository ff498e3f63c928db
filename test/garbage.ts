/** Node's garbage collector, for tests of what is kept in memory. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");

/** Collects all garbage now. What a weak reference gave stays until the end of the turn. */
export const collectGarbage = runInNewContext("gc") as () => void;
