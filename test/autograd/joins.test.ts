/** Joins of several nodes in one dispatch: the gradients are those of one dispatch each. */
import { expect, it } from "vitest";
import { gradient } from "../../src/autograd/gradient.ts";
import type { Choose } from "../../src/autograd/plan.ts";
import type { Tape } from "../../src/autograd/tape.ts";
import { elementCount, f32, type Persistent } from "../../src/kernels/language/operation.ts";
import { layerNorm } from "../../src/kernels/layer-norm.ts";
import { matmul } from "../../src/kernels/matmul/matmul.ts";
import { globalNorm } from "../../src/kernels/optimizer/global-norm.ts";
import { mul } from "../../src/kernels/pointwise/pointwise.ts";
import { mean } from "../../src/kernels/sum.ts";
import { ArenaTensor } from "../../src/nn/parameters/arena-tensor.ts";
import { openTestDevice } from "../device.ts";
import { expectClose } from "../kernels/close.ts";
import { normals } from "../kernels/data.ts";
import { build, execute, tensor } from "../kernels/run.ts";

const device = await openTestDevice();

const capacity = 300;
const shapes = { weight: [24, 16], bias: [24], scale: [24], shift: [24], second: [8, 24] } as const;
type Name = keyof typeof shapes;
const names = Object.keys(shapes) as Name[];

/** Splits the gradients of weights into four parts. */
const inParts: Choose = (node, variants) =>
  (node.attributes as { layout?: string } | null)?.layout === "tn"
    ? variants.find(({ name }) => name === "tile 64×64×16 in 4 parts")
    : undefined;

const held = Object.fromEntries(names.map((name, i) => [name, tensor(device, [...shapes[name]], normals(elementCount(shapes[name]), i))]));

/** An arena of gradients, each from a multiple of 512 bytes on. */
function arenaOf() {
  const offsets = new Map<Name, number>();
  let end = 0;
  for (const name of names) {
    offsets.set(name, end);
    end += Math.ceil(elementCount(shapes[name]) / 128) * 128;
  }
  const arena = new ArenaTensor("gradients", "f32", [end]);
  arena.buffer = device.createBuffer("gradients", arena.bytes, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST);
  const part = (name: Name) => arena.part(name, offsets.get(name)!, shapes[name]);
  return { arena, offsets, part };
}

/** A loss of two products with a norm between them, and the gradients of all parameters. */
function lossOf(tape: Tape, of: (name: Name) => Persistent, accumulate = false) {
  const x = tape.input("x", f32(tape.extent("rows", capacity), 16));
  const normed = layerNorm(matmul(x, of("weight"), "nt", { bias: of("bias") }), of("scale"), of("shift"), 1e-5);
  const y = matmul(normed, of("second"), "nt");
  const loss = mean(mul(y, y));
  return { loss, gradients: gradient(tape, loss, names.map(of), { accumulate }) };
}

// Kernels that are written out for GPUs, which a software adapter compiles slowly.
it("are those of one dispatch each, are there for what reads them, and are added to what there is", { timeout: 600_000 }, async () => {
  const capabilities = { ...device.capabilities, software: false };
  const apart = await build(
    device,
    (tape) => {
      const { gradients } = lossOf(tape, (name) => held[name]!);
      return Object.fromEntries(names.map((name, i) => [name, gradients[i]!]));
    },
    capabilities,
    inParts,
  );
  const { arena, offsets, part } = arenaOf();
  const trained = Object.fromEntries(names.map((name) => [name, { ...held[name]!, gradient: part(name) }]));
  const joined = (accumulate: boolean) =>
    build(
      device,
      (tape) => {
        const { loss } = lossOf(tape, (name) => trained[name]!, accumulate);
        return { loss, norm: globalNorm(tape, [arena]) };
      },
      capabilities,
      inParts,
    );
  const together = await joined(false);
  const adding = await joined(true);
  const labels = (program: typeof apart | typeof together) => program.plan.kernels.map(({ shader }) => shader.label);
  expect(labels(apart)).not.toContain("joins");
  expect(labels(together).filter((label) => label.startsWith("join") || label.endsWith(" join"))).toEqual(["joins"]);
  expect(labels(adding)).toEqual(labels(together));
  const found = async () => {
    const all = new Float32Array(await device.read(arena.window));
    return names.map((name) => all.subarray(offsets.get(name)!, offsets.get(name)! + elementCount(shapes[name])));
  };
  for (const rows of [300, 71]) {
    const step = { inputs: { x: normals(rows * 16, 9) }, live: { rows } };
    const expected = await execute(apart, step);
    const { norm } = await execute(together, step);
    const once = await found();
    for (const [i, name] of names.entries()) expectClose(once[i]!, expected[name]!);
    expectClose(norm!, [Math.hypot(...names.flatMap((name) => [...expected[name]!]))], { terms: 1000 });
    await execute(adding, step);
    expect(await found()).toEqual(once.map((own) => own.map((value) => 2 * value)));
  }
  for (const program of [apart, together, adding]) program.close();
});
