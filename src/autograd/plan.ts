/**
 * Plans a tape for a device: drops what no output needs, picks each node's kernels, and assigns memory by liveness, so the memory of a run
 * is known before its first step. It creates no GPU objects; `Program` does.
 *
 * Values share slots, one buffer each, reused once a value's last reader has run. Slots are separate buffers and not offsets into one
 * arena, because WebGPU forbids binding one buffer for reading and for writing in the same dispatch. The assignment is greedy by size
 * (Pisarchyk & Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020): the largest values first, each into the smallest
 * slot that is free for its whole lifetime.
 */
import { CapacityError } from "../errors.ts";
import type { Capabilities, Limits } from "../gpu/capabilities.ts";
import { alignedForBinding } from "../gpu/device.ts";
import { matrixBytes } from "../gpu/matrix-texture.ts";
import { stepWords } from "../kernels/language/kernel.ts";
import {
  byteSize,
  capacity,
  elementCount,
  formatShape,
  type Kernel,
  type Lowering,
  memorySize,
  type Node,
  type PartOf,
  type Persistent,
  persistentOf,
  rootOf,
  type Scratch,
  type Tensor,
  Value,
  type Variant,
} from "../kernels/language/operation.ts";
import { windowed } from "../kernels/language/windows.ts";
import { addWhereComputed } from "./additions.ts";
import { withoutAliases } from "./aliases.ts";
import { groupNodes } from "./groups.ts";
import { groupJoins } from "./joins.ts";
import type { Tape } from "./tape.ts";
import { planTextures, type TexturePlan } from "./textures.ts";

/** A node of the tape with the kernels that were chosen for it. */
export interface Step {
  readonly node: Node;
  readonly lowering: Lowering;
  /** The chosen variant's name; null where there was only one. */
  readonly choice: string | null;
}

/** A buffer that several values use, one after the other. */
export interface Slot {
  readonly label: string;
  readonly bytes: number;
}

/** Where a tensor's memory is: in a slot, from a number of bytes on, or its own. */
export type Place = { readonly slot: number; readonly offset: number } | { readonly persistent: Persistent };

/** The bytes that a plan allocates, by purpose. */
export interface PlanBytes {
  /** Activations, gradients in flight and scratch: the slots that values share. */
  readonly slots: number;
  readonly inputs: number;
  readonly outputs: number;
  /** Uniforms: the step block and the kernels' parameters. */
  readonly uniforms: number;
  /** Staging for reading outputs back. */
  readonly staging: number;
  /** Copies of operands that kernels read through textures. */
  readonly textures: number;
  /** All of the above: what the plan allocates for itself. */
  readonly total: number;
  /** Parameters, gradients and optimiser state that the plan uses but does not own. */
  readonly persistent: number;
}

/** What a program will run, in which order and in which memory. Planning allocates nothing; `formatPlan` prints the plan. */
export interface Plan {
  readonly tape: Tape;
  readonly outputs: Readonly<Record<string, Value>>;
  readonly steps: readonly Step[];
  readonly kernels: readonly Kernel[];
  /** How many of the kernels come before the tape's pause: all of them if it has none. */
  readonly pausedAt: number;
  readonly slots: readonly Slot[];
  readonly textures: TexturePlan;
  readonly bytes: PlanBytes;
  place(tensor: Tensor): Place;
}

/** Picks one of a node's variants, by measurement or for a test; undefined leaves it to the operation. */
export type Choose = (node: Node, variants: readonly Variant[]) => Variant | undefined;

/**
 * Plans a tape: drops nodes that no output needs, chooses each node's kernels for the device, and assigns memory by lifetime. Throws
 * `CapacityError` when a tensor is larger than the device allows.
 */
export function plan(
  tape: Tape,
  outputs: Readonly<Record<string, Value>>,
  capabilities: Capabilities,
  choose: Choose = () => undefined,
): Plan {
  const { limits } = capabilities;
  const lowered = withoutAliases(plannedNodes(tape, Object.values(outputs), capabilities)).map((node) => {
    const variants = node.operation.variants?.(node, capabilities) ?? [];
    const chosen = choose(node, variants) ?? variants[0];
    const own = chosen ? chosen.lower() : node.operation.lower(node, capabilities);
    const lowering = { ...own, kernels: own.kernels.map((kernel) => windowed(kernel, limits.maxStorageBufferBindingSize)) };
    return { node, lowering, choice: chosen && variants.length > 1 ? chosen.name : null };
  });
  // A CPU gains nothing from it.
  const grouped = capabilities.software
    ? { steps: lowered, within: new Map() }
    : groupJoins(lowered, stepsBeforePause(tape, lowered), limits);
  const { steps, within } = grouped;
  const { slots, places } = assignSlots(tape, outputs, steps, within);
  const kernels = steps.flatMap(({ lowering }) => lowering.kernels);
  const place = (tensor: Tensor): Place => {
    const persistent = persistentOf(tensor);
    if (persistent !== null) return { persistent };
    const root = rootOf(tensor);
    const part = within.get(root);
    const slot = places.get(part?.whole ?? root);
    if (slot === undefined)
      throw new Error(`No memory was planned for ${formatShape(root.shape)}: a kernel binds a tensor that its node does not list.`);
    return { slot, offset: part?.offset ?? 0 };
  };
  checkLimits(steps, capabilities);
  const textures = planTextures(steps);
  return {
    tape,
    outputs,
    steps,
    kernels,
    pausedAt: steps.slice(0, stepsBeforePause(tape, steps)).reduce((sum, { lowering }) => sum + lowering.kernels.length, 0),
    slots: slots.map(({ label, bytes }) => ({ label, bytes })),
    textures,
    bytes: countBytes(slots, kernels, outputs, steps, textures),
    place,
  };
}

/** The nodes to run on a device. */
export function plannedNodes(tape: Tape, outputs: readonly Value[], capabilities: Capabilities): readonly Node[] {
  return groupNodes(tape, addWhereComputed(tape, neededNodes(tape, outputs), outputs), capabilities);
}

/** The nodes that an output or a persistent tensor depends on, in tape order. */
function neededNodes(tape: Tape, outputs: readonly Value[]): Node[] {
  const wanted = new Set<Value>(outputs);
  const needed: Node[] = [];
  for (const node of tape.nodes.slice().reverse()) {
    if (!node.outputs.some((output) => wanted.has(output) || output.persistent !== null)) continue;
    needed.push(node);
    for (const input of node.inputs) wanted.add(input);
  }
  return needed.reverse();
}

/** How many of the steps come before the tape's pause. */
function stepsBeforePause(tape: Tape, steps: readonly Step[]): number {
  const before = tape.valuesBeforePause();
  return steps.findLastIndex(({ node }) => node.outputs.some((output) => before.has(output))) + 1;
}

interface Life {
  readonly tensor: Tensor;
  readonly bytes: number;
  readonly kind: SlotKind;
  first: number;
  last: number;
}

/** Inputs and outputs have slots of their own, because the host writes inputs before a step and may read outputs at any time after it. */
type SlotKind = "shared" | "input" | "output";

interface GrowingSlot {
  label: string;
  readonly bytes: number;
  readonly kind: SlotKind;
  readonly lives: Life[];
}

function assignSlots(
  tape: Tape,
  outputs: Readonly<Record<string, Value>>,
  steps: readonly Step[],
  within: ReadonlyMap<Tensor, PartOf<Scratch>>,
) {
  const lives = new Map<Tensor, Life>();
  const outputRoots = new Set(Object.values(outputs).map(rootOf));
  const touch = (tensor: Tensor, at: number, kind: SlotKind) => {
    if (persistentOf(tensor) !== null) return;
    const own = rootOf(tensor);
    const root = within.get(own)?.whole ?? own;
    const life = lives.get(root);
    if (life !== undefined) {
      life.first = Math.min(life.first, at);
      life.last = Math.max(life.last, at);
      return;
    }
    lives.set(root, {
      tensor: root,
      bytes: memorySize(root),
      kind: outputRoots.has(root) && kind === "shared" ? "output" : kind,
      first: at,
      last: at,
    });
  };
  for (const input of tape.inputs.values()) touch(input, -1, "input");
  steps.forEach(({ node, lowering }, at) => {
    for (const value of [...node.inputs, ...node.outputs]) touch(value, at, "shared");
    for (const scratch of lowering.scratch ?? []) touch(scratch, at, "shared");
  });

  const slots: GrowingSlot[] = [];
  const places = new Map<Tensor, number>();
  const bySize = [...lives.values()].sort((a, b) => b.bytes - a.bytes || a.first - b.first);
  for (const life of bySize) {
    // Slots were made for larger values first. So every slot is large enough, and the latest free one is the tightest fit.
    let slot =
      life.kind === "shared"
        ? slots.findLastIndex((candidate) => candidate.kind === "shared" && candidate.lives.every((other) => disjoint(life, other)))
        : -1;
    if (slot < 0) slot = slots.push({ label: slotLabel(life, slots.length), bytes: life.bytes, kind: life.kind, lives: [] }) - 1;
    slots[slot]!.lives.push(life);
    places.set(life.tensor, slot);
  }
  return { slots, places };
}

function slotLabel({ kind, tensor }: Life, index: number): string {
  return kind === "shared" ? `slot ${index}` : `${kind}${tensor instanceof Value && tensor.name ? ` ${tensor.name}` : ""}`;
}

function disjoint(a: Life, b: Life): boolean {
  return a.last < b.first || b.last < a.first;
}

/** Bytes that a kernel's parameters take among the uniforms. */
export const uniformBytes = (params: Uint32Array): number => alignedForBinding(params.byteLength);

function countBytes(
  slots: readonly GrowingSlot[],
  kernels: readonly Kernel[],
  outputs: Readonly<Record<string, Value>>,
  steps: readonly Step[],
  textures: TexturePlan,
): PlanBytes {
  const ofKind = (kind: SlotKind) => slots.filter((slot) => slot.kind === kind).reduce((sum, slot) => sum + slot.bytes, 0);
  const shared = ofKind("shared");
  const inputs = ofKind("input");
  const outputBytes = ofKind("output");
  const uniforms = stepWords * 4 + kernels.reduce((sum, { params }) => sum + uniformBytes(params), 0);
  const staging = [...new Set(Object.values(outputs))].reduce((sum, output) => sum + byteSize(output), 0);
  const textureBytes = textures.sizes.reduce((sum, size) => sum + matrixBytes(size), 0);
  const persistent = new Set<Persistent>();
  for (const { node } of steps) {
    for (const value of [...node.inputs, ...node.outputs]) if (value.persistent !== null) persistent.add(value.persistent);
  }
  const persistentBytes = [...persistent].reduce((sum, tensor) => sum + byteSize(tensor), 0);
  return {
    slots: shared,
    inputs,
    outputs: outputBytes,
    uniforms,
    staging,
    textures: textureBytes,
    total: shared + inputs + outputBytes + uniforms + staging + textureBytes,
    persistent: persistentBytes,
  };
}

/** Throws `CapacityError` where a kernel would bind more bytes, or dispatch more workgroups, than the device allows. */
function checkLimits(steps: readonly Step[], { limits }: Capabilities): void {
  for (const { node, lowering } of steps) {
    for (const kernel of lowering.kernels) {
      checkBindings(node.operation.name, kernel, limits);
      checkDispatch(kernel, limits);
    }
  }
}

/** The elements that a u32 can number. */
const mostElements = 2 ** 32;

function checkBindings(operation: string, { bindings, shader }: Kernel, limits: Limits): void {
  const windows = new Map(shader.bindings.map(({ name, windows }) => [name, windows?.count]));
  for (const { name, tensor, access } of bindings) {
    if (access === "texture") continue;
    const bytes = byteSize(tensor);
    const limit = windows.get(name) === undefined ? "maxStorageBufferBindingSize" : "maxBufferSize";
    const elements = elementCount(tensor.shape);
    if (bytes <= limits[limit] && elements <= mostElements) continue;
    const label = "name" in tensor && tensor.name ? `${tensor.name} ` : "";
    const excess =
      elements > mostElements
        ? `${elements} elements; kernels count to ${mostElements}`
        : `${bytes} bytes; this device allows ${limits[limit]} (${limit})`;
    throw new CapacityError(
      `${operation} binds ${label}${formatShape(tensor.shape)}, ${excess}.`,
      "Use a smaller batch, shorter sentences or a smaller vocabulary, or another adapter.",
    );
  }
  const bound = bindings.reduce((sum, { name, access }) => sum + (access === "texture" ? 0 : (windows.get(name) ?? 1)), 0);
  if (bound <= limits.maxStorageBuffersPerShaderStage) return;
  throw new CapacityError(
    `${shader.label} binds ${bound} buffers; this device allows ${limits.maxStorageBuffersPerShaderStage} (maxStorageBuffersPerShaderStage).`,
    "Use a smaller batch or a smaller vocabulary: a tensor larger than the device binds at once takes several.",
  );
}

function checkDispatch({ shader, workgroups }: Kernel, limits: Limits): void {
  const threads = shader.workgroupSize.reduce((product, size) => product * size, 1);
  if (threads > limits.maxComputeInvocationsPerWorkgroup) {
    throw new CapacityError(
      `${shader.label} has workgroups of ${threads} threads; this device allows ${limits.maxComputeInvocationsPerWorkgroup} (maxComputeInvocationsPerWorkgroup).`,
      "Use another variant of the operation, or another adapter.",
    );
  }
  const widest = Math.max(...workgroups(capacity));
  if (widest <= limits.maxComputeWorkgroupsPerDimension) return;
  throw new CapacityError(
    `${shader.label} dispatches ${widest} workgroups; this device allows ${limits.maxComputeWorkgroupsPerDimension}.`,
    "Use a smaller batch or a smaller model.",
  );
}

/** The plan as a table: one line per node with its shapes, variant, slots and bytes, then the totals. */
export function formatPlan({ steps, slots, bytes, place }: Plan): string {
  const label = (tensor: Tensor) => {
    const where = place(tensor);
    return "slot" in where ? slots[where.slot]!.label : where.persistent.name;
  };
  const lines = steps.map(({ node, lowering }, index) => [
    String(index),
    node.operation.name,
    node.outputs.map(({ shape }) => formatShape(shape)).join(" "),
    lowering.variant,
    lowering.kernels.length === 0 ? "" : node.outputs.map(label).join(", "),
    node.outputs.reduce((sum, output) => sum + byteSize(output), 0).toLocaleString("en-US"),
  ]);
  const head = ["#", "operation", "shape", "variant", "place", "bytes"];
  const widths = head.map((title, column) => Math.max(title.length, ...lines.map((line) => line[column]!.length)));
  const format = (line: readonly string[]) =>
    line
      .map((cell, column) => (column === 5 ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!)))
      .join("  ")
      .trimEnd();
  const n = (count: number) => count.toLocaleString("en-US");
  return [
    format(head),
    format(widths.map((width) => "─".repeat(width))),
    ...lines.map(format),
    `${steps.length} operations in ${steps.reduce((sum, { lowering }) => sum + lowering.kernels.length, 0)} dispatches; ${slots.length} buffers`,
    `this plan allocates ${n(bytes.total)} bytes: ${n(bytes.slots)} in shared slots, ${n(bytes.inputs)} inputs, ${n(bytes.outputs)} outputs, ${n(bytes.uniforms)} uniforms, ${n(bytes.staging)} staging${bytes.textures > 0 ? `, ${n(bytes.textures)} textures` : ""}`,
    `and uses ${n(bytes.persistent)} bytes of parameters and optimiser state`,
  ].join("\n");
}
