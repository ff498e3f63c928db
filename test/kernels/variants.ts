/** The ways one device can lower an operation that has variants: its capabilities with the choice forced. */
import type { Capabilities } from "../../src/gpu/capabilities.ts";
import type { Device } from "../../src/gpu/device.ts";

export interface Variant {
  /** What the variant's name in a plan begins with. */
  readonly name: string;
  readonly capabilities: Capabilities;
}

export function rowVariants({ capabilities }: Device): Variant[] {
  return [
    { name: "thread a row", capabilities: { ...capabilities, software: true } },
    { name: "workgroup a row", capabilities: { ...capabilities, software: false } },
  ];
}

/** `soft` only where the device has subgroups of one size, which it needs to run at all. */
export function matmulVariants({ capabilities }: Device): Variant[] {
  const tile = { name: "tile", capabilities: { ...capabilities, software: false, subgroupSize: null } };
  const soft = { name: "soft", capabilities: { ...capabilities, software: true } };
  return capabilities.subgroupSize === null ? [tile] : [tile, soft];
}
