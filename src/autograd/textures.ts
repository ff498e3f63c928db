/**
 * Which operands of a plan's kernels are copied into which textures, and when. A kernel that reads a matrix through a texture
 * (`gpu/matrix-texture.ts`) reads a copy, which is made right before its dispatch, outside of a compute pass.
 *
 * All kernels share a few textures, no more than one kernel binds. A copy stays until another operand needs its texture, the one that was
 * used longest ago, or until the operand is written. So the two products that read one gradient copy it once.
 */
import { columnsPerLayer, type MatrixSize } from "../gpu/matrix-texture.ts";
import { bufferOf, capacity, type Kernel, type Lowering, type Node, persistentOf, type Tensor } from "../kernels/language/operation.ts";

/** Where a kernel finds an operand that it reads through a texture. */
export interface TextureUse {
  readonly tensor: Tensor;
  /** The number of the texture. */
  readonly texture: number;
  /** Whether the operand is copied into it before the dispatch; if not, it is still there. */
  readonly isCopied: boolean;
}

/** The textures of a plan. */
export interface TexturePlan {
  readonly sizes: readonly MatrixSize[];
  /** The uses of each kernel that has some, one for each operand, by the operand. */
  readonly uses: ReadonlyMap<Kernel, ReadonlyMap<Tensor, TextureUse>>;
}

/** Rows and columns that memory is laid out for. */
export function matrixSize({ shape: [rows, columns] }: Tensor): MatrixSize {
  return { rows: capacity(rows!), columns: capacity(columns!) };
}

/** Assigns textures to the operands that the kernels of these nodes read through them. */
export function planTextures(steps: readonly { readonly node: Node; readonly lowering: Lowering }[]): TexturePlan {
  const sizes: { rows: number; columns: number }[] = [];
  /** The operand in each texture, the one used longest ago first. */
  const held = new Map<number, Tensor | null>();
  const uses = new Map<Kernel, ReadonlyMap<Tensor, TextureUse>>();

  const take = (tensor: Tensor, inUse: ReadonlySet<Tensor>): TextureUse => {
    const there = [...held].find(([, other]) => other === tensor)?.[0];
    const free =
      there ?? [...held].find(([, other]) => other === null || !inUse.has(other))?.[0] ?? sizes.push({ rows: 0, columns: 0 }) - 1;
    const { rows, columns } = matrixSize(tensor);
    const size = sizes[free]!;
    size.rows = Math.max(size.rows, rows);
    size.columns = Math.max(size.columns, Math.ceil(columns / columnsPerLayer) * columnsPerLayer);
    held.delete(free);
    held.set(free, tensor);
    return { tensor, texture: free, isCopied: there === undefined };
  };

  for (const { node, lowering } of steps) {
    for (const kernel of lowering.kernels) {
      const operands = new Set(kernel.bindings.filter(({ access }) => access === "texture").map(({ tensor }) => tensor));
      if (operands.size > 0) uses.set(kernel, new Map([...operands].map((tensor) => [tensor, take(tensor, operands)])));
    }
    const written = new Set(node.outputs.map(persistentOf).map((tensor) => tensor && bufferOf(tensor)));
    for (const [texture, tensor] of held) {
      const persistent = tensor && persistentOf(tensor);
      if (persistent !== null && written.has(bufferOf(persistent))) held.set(texture, null);
    }
  }
  return { sizes, uses };
}
