/** Errors have an owner: misuse of a program, a parameter store or a buffer fails only that one, with an error, and affects neither the device nor anything else. */
import { describe, expect, it } from "vitest";
import { compile } from "../../src/autograd/program.ts";
import type { StepInput } from "../../src/autograd/step-input.ts";
import { Tape } from "../../src/autograd/tape.ts";
import { CapacityError, ClosedError, DeviceError, OptionError, ShapeError, SimcseError } from "../../src/errors.ts";
import { cast } from "../../src/kernels/cast.ts";
import { gatherRows } from "../../src/kernels/gather-rows.ts";
import { type Dimension, f32, float, u32 } from "../../src/kernels/language/operation.ts";
import { matmul } from "../../src/kernels/matmul/matmul.ts";
import { scale } from "../../src/kernels/pointwise/operation.ts";
import { add, gelu } from "../../src/kernels/pointwise/pointwise.ts";
import { reshape } from "../../src/kernels/reshape.ts";
import { mean } from "../../src/kernels/sum.ts";
import { adamWDefaults, adamWStep } from "../../src/nn/adamw.ts";
import { Linear } from "../../src/nn/linear.ts";
import { Parameter } from "../../src/nn/parameters/parameter.ts";
import { ParameterStore } from "../../src/nn/parameters/parameter-store.ts";
import { stream } from "../../src/nn/random.ts";
import { openTestDevice } from "../device.ts";

const device = await openTestDevice();

/** y = 2x for at most five live rows of three. */
const doubling = () => compile(device, (tape) => ({ y: scale(tape.input("x", f32(tape.extent("rows", 5), 3)), 2) }));

const size = 8;

/** A model of one layer, and a program that computes it. */
async function model() {
  const module = { layer: new Linear(size, size, 0.1) };
  const store = await ParameterStore.allocate(device, module, { training: true });
  store.initialize(1);
  const program = await compile(device, (tape) => ({ y: module.layer.forward(tape.input("x", f32(4, size))) }));
  return { module, store, program, x: new Float32Array(4 * size).fill(0.5) };
}

/** The loss of a few steps of training, bit for bit the same on a healthy device. */
async function train(): Promise<number[]> {
  const { module, store, program: unused, x } = await model();
  unused.close();
  const program = await compile(device, (tape) => {
    const y = gelu(module.layer.forward(tape.input("x", f32(4, size))));
    const loss = mean(reshape(y, [4 * size]));
    adamWStep(tape, loss, store.layout);
    return { loss };
  });
  const losses: number[] = [];
  for (let step = 1; step <= 3; step++) {
    program.run({ inputs: { x }, scalars: { learningRate: 0.01 }, step });
    losses.push((await program.read("loss"))[0]!);
  }
  program.close();
  store.close();
  return losses;
}

describe("an error has an owner", () => {
  it("reads at the same time each see the steps run before them", async () => {
    using program = await doubling();
    program.run({ inputs: { x: Float32Array.of(1, 2, 3) }, live: { rows: 1 } });
    const first = [program.read("y"), program.read("y"), program.read("y")];
    program.run({ inputs: { x: Float32Array.of(4, 5, 6) } });
    const second = program.read("y");
    for (const read of first) expect((await read).slice(0, 3)).toEqual(Float32Array.of(2, 4, 6));
    expect((await second).slice(0, 3)).toEqual(Float32Array.of(8, 10, 12));
  });

  it("a model that is closed fails its programs, and no other model's", async () => {
    const [a, b] = [await model(), await model()];
    a.store.close();
    a.store.close();
    a.program.run({ inputs: { x: a.x } });
    await expect(a.program.read("y")).rejects.toThrow(DeviceError);
    expect(() => a.program.run({ inputs: { x: a.x } })).toThrow(/refused a step of the program/);
    await expect(a.store.read("layer.weight")).rejects.toThrow(ClosedError);
    expect(() => a.store.write("layer.bias", new Float32Array(size))).toThrow("The model is closed.");
    b.program.run({ inputs: { x: b.x } });
    expect((await b.program.read("y")).every(Number.isFinite)).toBe(true);
    await b.program.finish();
    for (const { program, store } of [a, b]) {
      program.close();
      store.close();
    }
    expect(device.failure).toBeNull();
  });

  it("a closed program says so, also to a read that is waiting", async () => {
    const program = await doubling();
    program.run({ inputs: { x: new Float32Array(15) } });
    const waiting = program.read("y");
    program.close();
    program.close();
    await expect(waiting).rejects.toThrow(ClosedError);
    expect(() => program.run()).toThrow("The program is closed.");
    await expect(program.read("y")).rejects.toThrow(ClosedError);
    await expect(program.finish()).rejects.toThrow(ClosedError);
  });

  it("what cannot be compiled leaves nothing behind", async () => {
    const live = await doubling();
    const alive = new Set<GPUBuffer>();
    const { allocate } = device;
    device.allocate = async (...given) => {
      const made = await allocate.apply(device, given);
      for (const buffer of made) {
        alive.add(buffer);
        const destroy = buffer.destroy.bind(buffer);
        buffer.destroy = () => {
          alive.delete(buffer);
          return destroy();
        };
      }
      return made;
    };
    const homeless = compile(device, (tape) => ({ parameter: tape.use(new Parameter([4], { constant: 0 })), x: tape.input("x", f32(4)) }));
    await expect(homeless).rejects.toThrow("The parameter parameter has no memory yet.");
    device.allocate = allocate;
    expect(alive).toEqual(new Set());
    const broken = compile(device, (tape) => {
      const x = tape.input("x", f32(4, 4));
      const wrong = { name: "wrong", infer: () => [f32(4, 4)], lower: () => ({ variant: "", kernels: [] }) };
      return { y: tape.append(wrong, [new Tape().input("x", f32(4))], null)[0]!, x };
    });
    await expect(broken).rejects.toThrow(ShapeError);
    live.close();
  });
});

describe("shapes", () => {
  it.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])("a dimension of %s is refused by name", async (dimension: Dimension) => {
    const tape = new Tape();
    expect(() => tape.input("x", f32(2, dimension))).toThrow(ShapeError);
    expect(() => tape.input("x", f32(2, dimension))).toThrow(/The input x has the shape .*dimension 1 is/);
    expect(() => tape.extent("rows", dimension as number)).toThrow(/The extent rows/);
    expect(() => new Parameter([dimension as number], { constant: 0 })).toThrow(ShapeError);
    await expect(compile(device, (recording) => ({ y: scale(recording.input("x", f32(dimension)), 2) }))).rejects.toThrow(ShapeError);
  });
});

describe("the input of a step", () => {
  const wrong: Record<string, [StepInput, new (...args: never[]) => SimcseError, RegExp]> = {
    "is shorter than its live rows": [
      { inputs: { x: new Float32Array(14) } },
      OptionError,
      /x \[rows≤5, 3\] was given 14 elements; its live part ends at 15/,
    ],
    "is no typed array of its dtype": [{ inputs: { x: new Uint32Array(15) as never } }, OptionError, /x is f32, not a Uint32Array/],
    "is an array": [{ inputs: { x: [1, 2, 3] as never } }, OptionError, /x is f32, not a Array/],
    "is null": [{ inputs: { x: null as never } }, OptionError, /x is f32, not a null/],
    "has a negative live size": [{ live: { rows: -1 } }, OptionError, /live size of rows must be a whole number from 0, found -1/],
    "has a live size that is no whole number": [{ live: { rows: 1.5 } }, OptionError, /found 1.5/],
    "has a live size that is no number": [{ live: { rows: Number.NaN } }, OptionError, /found NaN/],
    "has a live size beyond the capacity": [{ live: { rows: 6 } }, CapacityError, /rows is at most 5, not 6/],
    "has a scalar that is no number": [{ scalars: { rate: Number.NaN } }, OptionError, /The scalar rate must be a number, found NaN/],
    "has a step that is no whole number": [{ step: 0.5 }, OptionError, /step of a step must be a whole number/],
    "has an option that there is not": [{ seeds: 3 } as never, OptionError, /Did you mean seed\?|has no option/],
  };
  it.each(Object.entries(wrong))("%s", async (_, [step, Class, message]) => {
    using program = await compile(device, (tape) => {
      tape.scalar("rate");
      return { y: scale(tape.input("x", f32(tape.extent("rows", 5), 3)), 2) };
    });
    expect(() => program.run({ inputs: { x: new Float32Array(15) }, ...step })).toThrow(Class);
    expect(() => program.run({ inputs: { x: new Float32Array(15) }, ...step })).toThrow(message);
    // And nothing of it was taken.
    expect(() => program.run()).toThrow("The input x was never given.");
  });

  it("lacks a scalar or an input that the program reads", async () => {
    const { module, store, program, x } = await model();
    using step = await compile(device, (tape) => {
      const loss = mean(reshape(module.layer.forward(tape.input("x", f32(4, size))), [4 * size]));
      adamWStep(tape, loss, store.layout);
      return { loss };
    });
    expect(() => step.run({ inputs: { x } })).toThrow("The scalar learningRate was never given.");
    expect(() => step.run({ scalars: { learningRate: 1 } })).toThrow("The input x was never given.");
    program.close();
    store.close();
  });

  it("may have an odd number of halves", async () => {
    using program = await compile(device, (tape) => ({ y: cast(tape.input("x", float("f16", 4)), "f32") }));
    program.run({ inputs: { x: Uint16Array.of(0x3c00, 0x4000, 0x4200, 0x4400) } });
    using three = await compile(device, (tape) => ({ y: cast(tape.input("x", float("f16", tape.extent("rows", 2), 4)), "f32") }));
    three.run({ inputs: { x: Uint16Array.of(0x3c00, 0x4000, 0x4200, 0x4400, 0x3c00) }, live: { rows: 1 } });
    expect((await three.read("y")).slice(0, 4)).toEqual(await program.read("y"));
  });
});

describe("outputs", () => {
  it("are read as their dtype, and only under their names", async () => {
    using program = await compile(device, (tape) => ({ ids: tape.input("ids", u32(4)) }));
    program.run({ inputs: { ids: Uint32Array.of(1, 2, 3, 2 ** 32 - 1) } });
    expect(await program.read("ids")).toEqual(Uint32Array.of(1, 2, 3, 2 ** 32 - 1));
    await expect(program.read("nope" as never)).rejects.toThrow("The program has no output nope.");
    await expect(program.read("toString" as never)).rejects.toThrow(OptionError);
    for (const rows of [5, -1, 0.5, Number.NaN]) {
      await expect(program.read("ids", { rows })).rejects.toThrow(OptionError);
      await expect(program.read("ids", { rows })).rejects.toThrow(`The output ids [4] has no ${rows} rows.`);
    }
    expect(await program.read("ids", { rows: 2 })).toEqual(Uint32Array.of(1, 2));
  });

  it("are values of the program's tape", async () => {
    const other = new Tape().input("x", f32(4));
    await expect(compile(device, () => ({ y: other }))).rejects.toThrow("The output y is no value of the program's tape.");
    await expect(compile(device, () => ({ y: undefined as never }))).rejects.toThrow(OptionError);
  });
});

describe("parameters", () => {
  it("are written whole or in parts that fit", async () => {
    const { store, program } = await model();
    program.close();
    const wrong: [() => void, RegExp][] = [
      [() => store.write("layer.weight", new Float32Array(3)), /layer.weight has 64 elements; 3 were given/],
      [() => store.write("layer.weight", new Float32Array(65)), /65 were given/],
      [() => store.write("layer.weight", new Float32Array(3), 62), /3 from 62 on were given/],
      [() => store.write("layer.weight", new Float32Array(3), -1), /3 from -1 on/],
      [() => store.write("layer.weight", new Float32Array(3), 0.5), /3 from 0.5 on/],
      [() => store.write("layer.weights", new Float32Array(3)), /no tensor layer.weights/],
      [() => store.writeMoment("layer.weight", "first", new Float32Array(3)), /first moment of layer.weight has 64 elements; 3 were given/],
      [() => store.writeMoment("layer.bias", "second", new Float32Array(9)), /second moment of layer.bias has 8 elements; 9 were given/],
    ];
    for (const [write, message] of wrong) {
      expect(write).toThrow(ShapeError);
      expect(write).toThrow(message);
    }
    expect(() => store.write("layer.bias", Array(8).fill(0) as never)).toThrow(OptionError);
    store.close();
  });

  it("are copied between models, and a copy that the device refuses is its own error", async () => {
    const [a, b] = [await model(), await model()];
    b.store.initialize(2);
    await a.store.copyFrom(b.store);
    expect(await a.store.read("layer.weight")).toEqual(await b.store.read("layer.weight"));
    b.store.layout.arenas[0]!.parameters.buffer!.destroy();
    await expect(a.store.copyFrom(b.store)).rejects.toThrow(/refused a copy of the model's parameters/);
    for (const { program, store } of [a, b]) {
      program.close();
      store.close();
    }
  });

  it("are not trained with impossible options", () => {
    const module = { layer: new Linear(size, size, 0.1) };
    const wrong = { beta1: 1, beta2: -0.1, epsilon: 0, weightDecay: Number.NaN, maxGradNorm: 0 };
    return Promise.all(
      Object.entries(wrong).map(async ([name, value]) => {
        using store = await ParameterStore.allocate(device, module, { training: true });
        const compiled = compile(device, (tape) => {
          const loss = mean(reshape(module.layer.forward(tape.input("x", f32(4, size))), [4 * size]));
          adamWStep(tape, loss, store.layout, { ...adamWDefaults, [name]: value });
          return { loss };
        });
        await expect(compiled).rejects.toThrow(OptionError);
        await expect(compiled).rejects.toThrow(`${name} of AdamW is ${value}`);
      }),
    );
  });
});

/** Misuses that can be tried at any time. The device frees whatever they create. */
const misuses: readonly ((draw: (below: number) => number) => Promise<unknown>)[] = [
  async (draw) => (await doubling()).run({ inputs: { x: new Float32Array(draw(15)) } }),
  async (draw) => (await doubling()).run({ inputs: { x: new Float32Array(15) }, live: { rows: [-1, 0.5, Number.NaN, 9][draw(4)]! } }),
  async () => (await doubling()).read("nope" as never),
  async () => {
    const program = await doubling();
    program.close();
    program.run();
  },
  async () => {
    const program = await doubling();
    program.run({ inputs: { x: new Float32Array(15) } });
    const reads = Promise.all([program.read("y"), program.read("y")]);
    program.close();
    await reads;
  },
  async (draw) => {
    const program = await doubling();
    program.buffers[draw(program.buffers.length)]!.destroy();
    program.run({ inputs: { x: new Float32Array(15) } });
    await program.read("y");
  },
  async () => {
    const { store, program, x } = await model();
    store.close();
    program.run({ inputs: { x } });
    await program.finish();
  },
  async (draw) => compile(device, (tape) => ({ y: scale(tape.input("x", f32([0, -2, 0.5][draw(3)]!)), 2) })),
  async () => compile(device, (tape) => ({ y: matmul(tape.input("a", f32(2, 3)), tape.input("b", f32(4, 5)), "nn") })),
  async () => compile(device, (tape) => ({ y: add(tape.input("a", f32(2, 3)), tape.input("b", f32(3, 2))) })),
  async () => compile(device, (tape) => ({ y: scale(tape.input("x", f32(2 ** 16, 2 ** 16)), 2) })),
  async () => device.read({ buffer: (await doubling()).buffers[0]!, offset: 4, size: 2 ** 20 }),
  async () =>
    device
      .allocate("a test", [{ label: "wrong", bytes: 16, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.MAP_WRITE }])
      .then(() => Promise.reject(new ShapeError("allowed", ""))),
  async () => device.pipeline({ label: "broken", bindings: [], enables: [], workgroupSize: [1, 1, 1], declarations: "", main: "nothing;" }),
  async () => {
    const { store } = await model();
    store.writeMoment("layer.weight", "first", new Float32Array(1));
  },
  async () => gatherRows(new Tape().input("x", f32(4, 4)), new Tape().input("rows", u32(2))),
];

it("two hundred random misuses are each an error of this package, and a step trains afterwards as before", async () => {
  const before = await train();
  const random = stream(1, "misuses");
  let draws = 0;
  const draw = (below: number) => random(draws++) % below;
  const pending: Promise<void>[] = [];
  for (let i = 0; i < 200; i++) {
    const misuse = misuses[draw(misuses.length)]!;
    const attempt = misuse(draw).then(
      () => expect.unreachable(`${misuse} was allowed`),
      (error: unknown) => {
        if (!(error instanceof SimcseError)) throw error;
      },
    );
    pending.push(attempt);
    if (pending.length === 20) await Promise.all(pending.splice(0));
  }
  await Promise.all(pending);
  expect(device.failure).toBeNull();
  expect(await train()).toEqual(before);
});
