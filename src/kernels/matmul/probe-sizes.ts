/**
 * The sizes at which variants of products are compared with portable ones (`Probes`). A kernel's text says whether k consists of whole
 * blocks. So probes have a depth like the node's: what is checked is the kernel that the node uses, and a driver compiles nothing more.
 */
import { capacity, type Dimension } from "../language/operation.ts";

/** Depths that divide by this consist of whole blocks in every tile. */
const wholeBlocks = 64;

/** Sizes m and n, and the depth: one block of eight; beyond the edges of all tiles; whole tiles, with a depth for eight parts. */
const sizes = [
  [8, 8, 0],
  [136, 200, wholeBlocks],
  [256, 64, 4 * wholeBlocks],
] as const;

/** Sizes m, n and k for nodes whose depth is like `depth`. */
export function probeSizes(depth: Dimension): readonly (readonly [m: number, n: number, k: number])[] {
  const rest = capacity(depth) % wholeBlocks;
  return sizes.map(([m, n, k]) => [m, n, k + rest || wholeBlocks]);
}
