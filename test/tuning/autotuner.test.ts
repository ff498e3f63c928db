/** Measuring, checking and caching, on an operation whose variants are deliberately slow, wrong or broken. */
import { describe, expect, it } from "vitest";
import { Choices, choicesFrom, choicesOf } from "../../src/autograd/choices.ts";
import { compile } from "../../src/autograd/program.ts";
import { Tape } from "../../src/autograd/tape.ts";
import { DeviceError, FileError, FormatError } from "../../src/errors.ts";
import type { Capabilities } from "../../src/gpu/capabilities.ts";
import { Device } from "../../src/gpu/device.ts";
import { attention } from "../../src/kernels/attention.ts";
import { cast } from "../../src/kernels/cast.ts";
import { pointKernel } from "../../src/kernels/language/kernel.ts";
import { elementCount, f32, float, type Kernel, type Node, type Operation, type Variant } from "../../src/kernels/language/operation.ts";
import { type GroupedAttributes, grouped } from "../../src/kernels/matmul/grouped.ts";
import { matmul } from "../../src/kernels/matmul/matmul.ts";
import { scale } from "../../src/kernels/pointwise/operation.ts";
import { gelu } from "../../src/kernels/pointwise/pointwise.ts";
import { Autotuner, type AutotunerOptions } from "../../src/tuning/autotuner.ts";
import type { ChoiceStore } from "../../src/tuning/choice-cache.ts";
import { randomInputs } from "../../src/tuning/node-program.ts";
import { checkKey, computesRight, isDoubtful } from "../../src/tuning/self-check.ts";
import { openTestDevice } from "../device.ts";
import { expectSame } from "../kernels/close.ts";
import { normals } from "../kernels/data.ts";
import { batchInputs } from "../kernels/packed-batch.ts";
import { adjoint } from "../kernels/run.ts";

const device = await openTestDevice();
const hasHalves = device.capabilities.features.has("shader-f16");

const width = 64;

/** A way to write y = 2x. */
interface Way {
  readonly main: string;
  readonly enables?: readonly string[];
}

const right: Way = { main: "setY(index, 2.0 * x(index));" };
/** So much slower that no other load on the machine hides it. */
const slow: Way = {
  main: `var sum = 0.0;
  for (var i = 0u; i < 60000u; i++) { sum += sin(x(index) + f32(i)); }
  setY(index, select(2.0 * x(index), sum, sum > 1e30));`,
};
const broken: Way = { main: "setY(index, nothing);" };
const halves: Way = { main: "setY(index, f32(2.0h * f16(x(index))));", enables: ["f16"] };
/** Wrong in the last element before an edge, as a driver might be. */
const faulty: Way = { main: "setY(index, f32(2.0h * f16(x(index))) + select(0.0, 1.0, index == 6u));", enables: ["f16"] };

interface Doubling {
  /** Whether, as for a product of halves, the portable ways are not among the variants. */
  readonly halvesOnly: boolean;
  /** Stands for what follows a product in the same kernel, and does nothing. */
  readonly followed: boolean;
}

function doubling(ways: Readonly<Record<string, Way>>): Operation<Doubling> {
  const variants = ({ inputs: [x], outputs: [y], attributes: { halvesOnly } }: Node<Doubling>): Variant[] => {
    const offered = Object.entries(ways).filter(([, { enables }]) => enables !== undefined || !halvesOnly);
    return offered.map(([name, { main, enables = [] }]) => ({
      name,
      lower: () => {
        const declared = { label: `double ${name}`, over: y!, width: 1 as const, enables, main };
        const kernel = pointKernel({ ...declared, reads: { x: [x!, "f32"] }, writes: { y: [y!, "f32"] } });
        return { variant: name, kernels: [{ ...kernel, flop: () => elementCount(y!.shape) }] };
      },
    }));
  };
  return {
    name: "double",
    infer: ([x]) => [x!],
    variants,
    measuredAs: ({ inputs, attributes }) => ({ inputs, attributes: { ...attributes, followed: false } }),
    lower: (node) => variants(node)[0]!.lower(),
    probes: () => ({ inputs: [[f32(1)], [f32(7)]], portable: { halvesOnly: false, followed: false } }),
  };
}

/** A store in memory. */
function memory(): ChoiceStore & { readonly texts: Map<string, string> } {
  const texts = new Map<string, string>();
  return {
    texts,
    read: async (key) => texts.get(key) ?? null,
    write: async (key, text) => {
      texts.set(key, text);
    },
  };
}

/** Tunes a program of one doubling; what was chosen, said and computed. */
async function tuned(ways: Readonly<Record<string, Way>>, { halvesOnly = false, ...options }: Partial<AutotunerOptions & Doubling> = {}) {
  const said = { notes: [] as string[], warnings: [] as string[] };
  const tuning = await Autotuner.open(device, {
    version: "1",
    measure: true,
    check: true,
    onNote: (note) => said.notes.push(note),
    onWarning: (warning) => said.warnings.push(warning),
    ...options,
  });
  const operation = doubling(ways);
  const program = await compile(
    device,
    (tape) => ({ y: tape.append(operation, [tape.input("x", f32(width))], { halvesOnly, followed: false })[0]! }),
    {
      tuning,
    },
  );
  const x = Float32Array.from({ length: width }, (_, i) => i);
  program.run({ inputs: { x } });
  expect(await program.read("y")).toEqual(x.map((value) => 2 * value));
  program.close();
  return { chosen: program.plan.steps[0]!.lowering.variant, plan: program.plan, ...said };
}

describe("measuring", () => {
  it("finds the fastest variant, says so, and remembers it for good", async () => {
    const store = memory();
    const first = await tuned({ slow, right }, { store });
    expect(first).toMatchObject({ chosen: "right", warnings: [] });
    expect(first.notes).toEqual([
      "measuring the variants of 1 kernel, once for this device",
      expect.stringMatching(/^measured 1 kernel in /),
    ]);
    expect(JSON.parse([...store.texts.values()][0]!)).toMatchObject({ choices: { "double f32[64]": "right" } });

    const before = { ...device.counters };
    expect(await tuned({ slow, right }, { store })).toMatchObject({ chosen: "right", notes: [] });
    // The step that is computed, and its reading; nothing is compiled or measured.
    expect(device.counters).toMatchObject({ pipelines: before.pipelines, submits: before.submits + 2 });
  });

  it("measures once what differs only in what follows", async () => {
    const notes: string[] = [];
    const tuning = await Autotuner.open(device, { version: "1", measure: true, check: true, onNote: (note) => notes.push(note) });
    const operation = doubling({ slow, right });
    const record = (tape: Tape) => {
      const x = tape.input("x", f32(width));
      const [plain, followed] = [false, true].map((followed) => tape.append(operation, [x], { halvesOnly: false, followed })[0]!);
      return { plain: plain!, followed: followed! };
    };
    const { plan } = await compile(device, record, { tuning });
    expect(plan.steps.map(({ choice }) => choice)).toEqual(["right", "right"]);
    expect(notes).toEqual(["measuring the variants of 1 kernel, once for this device", expect.stringMatching(/^measured 1 kernel in /)]);
    const tape = new Tape();
    const [a, b, bias] = [tape.input("a", f32(64, 32)), tape.input("b", f32(48, 32)), tape.input("bias", f32(48))];
    const kinds = [matmul(a, b, "nt"), gelu(matmul(a, b, "nt", { bias, scale: 0.5 }))].map(({ node }) => node!);
    const [one, other] = kinds.map((node) => node.operation.measuredAs!(node));
    expect(other).toEqual(one);
  });

  it.each([
    [1, "measured 1 kernel in"],
    [2, "measured 2 kernels in"],
  ])("measures on hardware what has enough work in the whole program: %i small nodes beside a large one", async (count, note) => {
    const notes: string[] = [];
    const hardware = new Device(device.gpu, { ...device.capabilities, software: false }, device.info);
    const tuning = await Autotuner.open(hardware, { version: "1", measure: true, check: false, onNote: (text) => notes.push(text) });
    const operation = doubling({ right, sum: { main: "setY(index, x(index) + x(index));" } });
    const record = (tape: Tape) => {
      const widths = [100 * width, ...Array.from({ length: count }, () => width)];
      const doubled = widths.map(
        (size, i) => tape.append(operation, [tape.input(`x${i}`, f32(size))], { halvesOnly: false, followed: false })[0]!,
      );
      return Object.fromEntries(doubled.map((y, i) => [`y${i}`, y]));
    };
    (await compile(hardware, record, { tuning })).close();
    expect(notes).toEqual([expect.stringContaining("measuring"), expect.stringContaining(note)]);
  });

  it("takes another variant on hardware where none of those compiles that are measured", async () => {
    const warnings: string[] = [];
    const hardware = new Device(device.gpu, { ...device.capabilities, software: false }, device.info);
    const tuning = await Autotuner.open(hardware, { version: "1", measure: true, check: true, onWarning: (text) => warnings.push(text) });
    // As matrix units that a driver cannot compile for: they are the first in the list, and only so many are measured.
    const refused = Array.from({ length: 4 }, (_, i) => [`unit ${i}`, { ...broken, enables: ["f16"] }] as const);
    const operation = doubling({ ...Object.fromEntries(refused), right });
    const record = (tape: Tape) => ({
      y: tape.append(operation, [tape.input("x", f32(width))], { halvesOnly: false, followed: false })[0]!,
    });
    const program = await compile(hardware, record, { tuning });
    expect(program.plan.steps[0]!.choice).toBe("right");
    expect(new Set(warnings.map((text) => /variant (unit \d)/.exec(text)![1]))).toEqual(new Set(refused.map(([name]) => name)));
    program.close();
  });

  it("measures anew when the text of a kernel changes", async () => {
    const store = memory();
    await tuned({ slow, right }, { store });
    // The same names, the other way round.
    const swapped = await tuned({ slow: right, right: slow }, { store });
    expect(swapped).toMatchObject({ chosen: "slow", notes: [expect.stringMatching(/^measuring/), expect.stringMatching(/^measured/)] });
  });

  it("takes what is remembered for data, until the package or the adapter is another", async () => {
    const store = memory();
    await tuned({ slow, right }, { store });
    const [[key, text]] = [...store.texts] as [[string, string]];
    store.texts.set(key, text.replace('"double f32[64]": "right"', '"double f32[64]": "slow"'));
    expect((await tuned({ slow, right }, { store })).chosen).toBe("slow");
    expect((await tuned({ slow, right }, { store, version: "2" })).chosen).toBe("right");
    expect(JSON.parse(store.texts.get(key)!)).toMatchObject({ identity: { version: "2", adapter: device.name } });
  });

  it("is left out where it is not wanted or takes too long: then the operation chooses", async () => {
    const store = memory();
    await tuned({ slow, right }, { store });
    expect((await tuned({ slow, right }, { store, measure: false })).chosen).toBe("slow");
    expect((await tuned({ slow, right }, { seconds: 0 })).chosen).toBe("slow");
    const hasty = await tuned({ slow, right }, { seconds: 1e-6 });
    expect(hasty).toMatchObject({ chosen: "slow", warnings: [expect.stringContaining("--no-autotune")] });
  });

  it("leaves out, with a warning, a variant that does not compile", async () => {
    const { chosen, warnings } = await tuned({ broken, slow, right });
    expect(chosen).toBe("right");
    expect(warnings).toEqual([expect.stringMatching(/double in the variant broken.*nothing/s)]);
    expect(device.uncapturedErrors).toEqual([]);
  });

  it.each(["", "{", "[]", '{"identity": {}, "choices": {"double f32[64]": 3}, "verdicts": {}}'])(
    "makes anew, with a note, what it finds damaged: %s",
    async (text) => {
      const store = memory();
      await tuned({ slow, right }, { store });
      const [key] = store.texts.keys() as unknown as [string];
      store.texts.set(key, text);
      const { chosen, notes } = await tuned({ slow, right }, { store });
      expect(chosen).toBe("right");
      expect(notes[0]).toContain("anew");
      expect(JSON.parse(store.texts.get(key)!)).toMatchObject({ choices: { "double f32[64]": "right" } });
    },
  );

  it("goes on where nothing can be remembered", async () => {
    const full: ChoiceStore = {
      read: async () => null,
      write: () => Promise.reject(new FileError("cannot write choices: no space is left on the device", "Free some space.")),
    };
    const { chosen, warnings } = await tuned({ slow, right }, { store: full });
    expect(chosen).toBe("right");
    expect(warnings).toEqual([expect.stringContaining("no space is left")]);
  });
});

describe("checking before the first use", () => {
  it("gives inputs stored either way the same numbers, large or small", async () => {
    const given: Float32Array[] = [];
    for (const dtype of ["f16", "f32"] as const) {
      const program = await compile(device, (tape) => ({ y: scale(cast(tape.input("x0", float(dtype, 7000, 12)), "f32"), 1) }));
      program.run({ inputs: randomInputs(program) });
      given.push(await program.read("y"));
      program.close();
    }
    expectSame(given[0]!, given[1]!);
    const sizes = given[0]!.map(Math.abs);
    expect(Math.min(...sizes.subarray(0, 10_000))).toBeGreaterThanOrEqual(1 / 8);
    expect(new Set(sizes).size).toBeGreaterThan(4000);
    // To the last element.
    expect(sizes.at(-1)).toBeGreaterThan(0);
  });

  it("leaves out a variant of halves that computes wrong, with a warning, and remembers it", async () => {
    const store = memory();
    for (const measure of [false, true]) {
      const { chosen, warnings } = await tuned({ faulty, right }, { store, measure });
      expect(chosen).toBe("right");
      // A device without halves refuses what it cannot compile, each time.
      if (hasHalves && measure) expect(warnings).toEqual([]);
      else
        expect(warnings[0]).toMatch(
          hasHalves ? /computes double wrong in the variant faulty/ : /does not run double in the variant faulty/,
        );
    }
    const { verdicts } = JSON.parse([...store.texts.values()][0]!) as { verdicts: object };
    expect(verdicts).toEqual(hasHalves ? { "faulty: double f32[·]": false } : {});
  });

  it("keeps one that computes right", async () => {
    expect((await tuned({ halves, right }, { measure: false })).chosen).toBe(hasHalves ? "halves" : "right");
  });

  it("does not check where all are trusted", async () => {
    const before = device.counters.submits;
    const trusting = tuned({ halves, right }, { measure: false, check: false });
    if (!hasHalves) return expect(trusting).rejects.toThrow(DeviceError);
    expect((await trusting).chosen).toBe("halves");
    expect(device.counters.submits).toBe(before + 2);
  });

  it("refuses to go on where every variant is wrong", async () => {
    await expect(tuned({ faulty, right }, { measure: false, halvesOnly: true })).rejects.toThrow(DeviceError);
  });

  /** Tiles with loops: written out, as GPUs have them, they compile for seconds. */
  const tiles = { ...device.capabilities, subgroupSize: null, subgroupMatrices: [] };

  it("finds nothing wrong with products of halves here", async () => {
    const tape = new Tape();
    const [a, b] = [tape.input("a", float("f16", tape.extent("rows", 132), 64)), tape.input("b", float("f16", 64, 64))];
    for (const node of [matmul(a, b, "nt"), matmul(a, b, "nn", { dtype: "f32" })].map(({ node }) => node!)) {
      const [variant] = node.operation.variants!(node, tiles) as [Variant];
      expect(isDoubtful(variant.lower(), device)).toBe(hasHalves);
      expect(await computesRight(device, node, variant)).toBe(true);
    }
  });

  it("checks a group of as many products", async () => {
    const tape = new Tape();
    const rows = tape.extent("rows", 132);
    // A product binds four buffers.
    const count = Math.min(3, Math.floor(device.capabilities.limits.maxStorageBuffersPerShaderStage / 4));
    const operands = [64, 32, 64, 48, 64, 64].slice(0, 2 * count).map((width, i) => tape.input(`x${i}`, float("f16", rows, width)));
    const { node } = tape.append(grouped, operands, { rowSums: true })[0]!;
    const [variant] = grouped.variants!(node as Node<GroupedAttributes>, tiles) as [Variant];
    expect(node!.outputs).toHaveLength(2 * count);
    expect(await computesRight(device, node!, variant)).toBe(true);
  });
});

describe("the check of attention", () => {
  // Token by token and without extensions, which compiles fast; heads of 4.
  const plain = new Device(device.gpu, { ...device.capabilities, subgroupSize: null }, device.info);
  const tape = new Tape();
  const batch = batchInputs(tape, { tokens: 100, sentences: 5, longest: 20 });
  const qkv = tape.input("qkv", float("f16", batch.tokens.shape[0]!, 24));
  const y = attention(qkv, batch, { heads: 2, dropout: 0.1 });
  const [dQkv] = adjoint(y, tape.input("dy", y));
  const bias = { table: tape.input("table", f32(8, 2)), starts: [0, 1, 2, 9] };
  const withBias = attention(qkv, batch, { heads: 2, dropout: 0.1, bias });
  const [dQkvWithBias] = adjoint(withBias, tape.input("dyWithBias", y));

  it("accepts right results, forward and backward, once for all layers", async () => {
    const other = attention(y.node!.inputs[0]!, batch, { heads: 2, dropout: 0.1 }).node!;
    for (const node of [y.node!, dQkv!.node!, withBias.node!, dQkvWithBias!.node!]) {
      const [variant] = node.operation.variants!(node, plain.capabilities).slice(-1) as [Variant];
      expect(await computesRight(plain, node, variant)).toBe(true);
      if (node === y.node) expect(checkKey(other, variant)).toBe(checkKey(node, variant));
    }
  });

  it("finds a mistake of one percent in halves", async () => {
    const wrong = (kernel: Kernel): Kernel => {
      const declarations = kernel.shader.declarations.replace("params.dropoutScale,", "params.dropoutScale * 1.01,");
      return { ...kernel, shader: { ...kernel.shader, declarations } };
    };
    const { operation } = y.node!;
    const variants = (node: Node, capabilities: Capabilities): Variant[] => {
      const [variant] = operation.variants!(node, capabilities).slice(-1) as [Variant];
      if (node.inputs[0]!.dtype === "f32") return [variant];
      return [{ ...variant, lower: () => ({ ...variant.lower(), kernels: variant.lower().kernels.map(wrong) }) }];
    };
    const node: Node = { ...y.node!, operation: { ...operation, variants } };
    expect(await computesRight(plain, node, variants(node, plain.capabilities)[0]!)).toBe(false);
  });
});

describe("choices", () => {
  const record = (tape: Tape) => {
    const [a, b] = [tape.input("a", f32(tape.extent("rows", 132), 64)), tape.input("b", f32(72, 64))];
    return { c: matmul(a, b, "nt", { scale: 0.5 }) };
  };
  const key = "matmul activation=none dtype=f32 layout=nt scale=0.5 f32[≤132,64] f32[72,64]";

  it("are taken from a plan, survive JSON, and give the same program and the same bits", async () => {
    const inputs = { a: normals(132 * 64, 1), b: normals(72 * 64, 2) };
    const results: Float32Array[] = [];
    let tuning: Choices = new Choices([[key, "tile 64×128×16"]]);
    for (let run = 0; run < 2; run++) {
      const program = await compile(device, record, { tuning });
      expect(program.plan.steps[0]).toMatchObject({
        choice: "tile 64×128×16",
        lowering: { variant: "tile 64×128×16" },
      });
      program.run({ inputs });
      results.push(await program.read("c"));
      tuning = choicesFrom(JSON.parse(JSON.stringify(choicesOf(program.plan))), "trainer_state.json");
      expect(tuning.toJSON()).toEqual({ [key]: "tile 64×128×16" });
      program.close();
    }
    expectSame(results[1]!, results[0]!);
  });

  it("leave to the operation what they do not name, or name as the device does not have it", async () => {
    const own = await compile(device, record);
    for (const tuning of [new Choices([]), new Choices([[key, "tile 3×3×3"]])]) {
      const program = await compile(device, record, { tuning });
      expect(program.plan.steps[0]!.choice).toBe(own.plan.steps[0]!.choice);
      program.close();
    }
    expect(choicesOf(own.plan).toJSON()).toEqual({ [key]: own.plan.steps[0]!.choice });
    own.close();
  });

  it.each([null, [], "tile", { [key]: 3 }])("refuse %j", (json) => {
    expect(() => choicesFrom(json, "trainer_state.json")).toThrow(FormatError);
  });
});
