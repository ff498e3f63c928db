/** The ways one device can lower an operation that has variants: its capabilities with the choice forced. */
import type { Choose } from "../../src/autograd/plan.ts";
import type { Capabilities } from "../../src/gpu/capabilities.ts";
import type { Device } from "../../src/gpu/device.ts";

export interface Variant {
  /** The beginning of the variant's name in a plan. */
  readonly name: string;
  readonly capabilities: Capabilities;
  /** Which of the operation's variants for these capabilities. */
  readonly choose?: Choose;
}

export function rowVariants({ capabilities }: Device): Variant[] {
  return [
    { name: "thread a row", capabilities: { ...capabilities, software: true } },
    { name: "workgroup a row", capabilities: { ...capabilities, software: false } },
  ];
}

/**
 * `soft` only where the device's subgroups have one size that it can use, 4 or 8 lanes. Software adapters run `tile` with loops
 * here, because the depths that a GPU gets written out compile for seconds in each pipeline; `matmul/gradients.test.ts` has one test of that form.
 * On SwiftShader, which has 4 lanes, `tile` is left to the kernel suite of the page: it compiles there for a minute.
 */
export function matmulVariants({ capabilities }: Device): Variant[] {
  const tile = { name: "tile", capabilities: { ...capabilities, subgroupSize: null } };
  const soft = { name: "soft", capabilities: { ...capabilities, software: true } };
  if (capabilities.subgroupSize === 4) return [soft];
  return capabilities.subgroupSize === 8 ? [tile, soft] : [tile];
}

/** Chooses the variant of matmul whose name begins with this, if there is one. */
export const chooseNamed =
  (prefix: string): Choose =>
  (_, variants) =>
    variants.find(({ name }) => name.startsWith(prefix));
