/** The device: opening, compiling, allocating and reading, and the errors of each. */
import { expect, it } from "vitest";
import * as errors from "../../src/errors.ts";
import { openDevice as openInBrowser } from "../../src/gpu/browser.ts";
import { Device, openDeviceOn } from "../../src/gpu/device.ts";
import { openDevice } from "../../src/gpu/node.ts";
import { type ShaderDeclaration, shaderCode } from "../../src/gpu/shader.ts";
import { openTestDevice } from "../device.ts";

const { CapacityError, ClosedError, DeviceError } = errors;
const device = await openTestDevice();

const doubling: ShaderDeclaration = {
  label: "doubling",
  bindings: [{ name: "x", type: "f32", access: "read_write" }],
  enables: [],
  workgroupSize: [64, 1, 1],
  declarations: "",
  main: "setX(thread, 2.0 * x(thread));",
};

it("compiles a shader once, runs it, and reads a window back", async () => {
  const before = device.counters.pipelines;
  const { pipeline, layout } = await device.pipeline(doubling);
  expect(await device.pipeline({ ...doubling, label: "the same under another name" })).toEqual({ pipeline, layout });
  expect(device.counters.pipelines).toBe(before + 1);
  const buffer = device.createBuffer("x", 256, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC);
  device.gpu.queue.writeBuffer(
    buffer,
    0,
    Float32Array.from({ length: 64 }, (_, i) => i),
  );
  const refused = device.submit((encoder) => {
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, device.createBindGroup("x", layout, [{ buffer, offset: 0, size: 256 }]));
    pass.dispatchWorkgroups(1);
    pass.end();
  });
  expect(await refused).toBeNull();
  expect(new Float32Array(await device.read({ buffer, offset: 8, size: 12 }))).toEqual(Float32Array.of(4, 6, 8));
});

it("numbers bindings in the order of their declaration", () => {
  const bindings = [
    { name: "step", type: "u32", access: "uniform" },
    { name: "a", type: "u32", access: "read" },
  ] as const;
  const code = shaderCode({ ...doubling, bindings: [...bindings, ...doubling.bindings] }, { hasHalves: false, askedLanes: null });
  expect(code).toContain("@binding(0) var<uniform> step: u32;");
  expect(code).toContain("@binding(1) var<storage, read> a: array<u32>;");
  expect(code).toContain("@binding(2) var<storage, read_write> xMemory: array<f32>;");
});

it("names the kernel that does not compile, with the compiler's words", async () => {
  const broken = device.pipeline({ ...doubling, label: "a broken kernel", main: "x[thread] = nothing;" });
  await expect(broken).rejects.toThrow(DeviceError);
  await expect(broken).rejects.toThrow(/a broken kernel.*nothing/s);
});

it("names the buffer that is larger than the device allows, and the limit", () => {
  const bytes = device.gpu.limits.maxBufferSize + 4;
  expect(() => device.createBuffer("the word embedding", bytes, GPUBufferUsage.STORAGE)).toThrow(CapacityError);
  expect(() => device.createBuffer("the word embedding", bytes, GPUBufferUsage.STORAGE)).toThrow(/the word embedding.*maxBufferSize/);
});

it("says what to do where there is no adapter, and closes what it opened", async () => {
  const gpu = { requestAdapter: async () => null } as unknown as GPU;
  const failure = await openDeviceOn(gpu).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(DeviceError);
  expect((failure as errors.DeviceError).remedy).toMatch(/driver/);
  await expect(openDevice({ adapter: "no adapter has this name" })).rejects.toThrow(DeviceError);
});

it("says what to do in a browser without WebGPU", async () => {
  await expect(openInBrowser()).rejects.toThrow(DeviceError); // Node has no navigator.gpu.
});

it("gives an error to the submit that caused it, and works on", async () => {
  const usage = GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const gone = device.createBuffer("gone", 16, usage);
  const buffer = device.createBuffer("x", 16, usage);
  device.gpu.queue.writeBuffer(buffer, 0, Float32Array.of(1, 2, 3, 4));
  gone.destroy();
  const refused = await device.submit((encoder) => encoder.copyBufferToBuffer(gone, 0, buffer, 0, 16));
  expect(refused).toMatchObject({ kind: "validation", message: expect.stringContaining("gone") });
  await expect(device.read({ buffer: gone, offset: 0, size: 16 })).rejects.toThrow(/reading back failed.*gone/s);
  await expect(device.read({ buffer, offset: 12, size: 16 })).rejects.toThrow(DeviceError);
  expect(device.failure).toBeNull();
  expect(new Float32Array(await device.read({ buffer, offset: 0, size: 16 }))).toEqual(Float32Array.of(1, 2, 3, 4));
  buffer.destroy();
});

it("makes all buffers or none", async () => {
  const usage = GPUBufferUsage.STORAGE;
  const destroyed: string[] = [];
  const { createBuffer } = device;
  device.createBuffer = (label, bytes, usage) => {
    const buffer = createBuffer.call(device, label, bytes, usage);
    const destroy = buffer.destroy.bind(buffer);
    buffer.destroy = () => {
      destroyed.push(label);
      return destroy();
    };
    return buffer;
  };
  const tooLarge = device.gpu.limits.maxBufferSize + 4;
  const made = device.allocate("a test", [
    { label: "small", bytes: 16, usage },
    { label: "large", bytes: tooLarge, usage },
  ]);
  await expect(made).rejects.toThrow(/large needs a buffer/);
  // Not a pair of usages that WebGPU allows.
  const invalid = GPUBufferUsage.MAP_READ | GPUBufferUsage.STORAGE;
  const refused = device.allocate("a test", [{ label: "invalid", bytes: 16, usage: invalid }]);
  await expect(refused).rejects.toThrow(/no room for the 16 bytes of a test/);
  device.createBuffer = createBuffer;
  expect(destroyed).toEqual(["small", "invalid"]);
  expect(device.uncapturedErrors).toEqual([]);
});

it("fails the read that there is no staging buffer for, and nothing else", async () => {
  const buffer = device.createBuffer("x", 16, GPUBufferUsage.COPY_SRC);
  const { gpu } = device;
  // Not a pair of usages that WebGPU allows.
  const refused = (declared: GPUBufferDescriptor) =>
    GPUDevice.prototype.createBuffer.call(gpu, { ...declared, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.STORAGE });
  Object.defineProperty(gpu, "createBuffer", { value: refused, configurable: true });
  const read = device.read({ buffer, offset: 0, size: 16 });
  Reflect.deleteProperty(gpu, "createBuffer");
  await expect(read).rejects.toThrow(DeviceError);
  await expect(read).rejects.toThrow("reading back failed");
  expect(await device.read({ buffer, offset: 0, size: 16 })).toEqual(new ArrayBuffer(16));
  await device.finish();
  expect(device.uncapturedErrors).toEqual([]);
  buffer.destroy();
});

it("keeps errors that have no owner, and works on", async () => {
  const own = await openDevice();
  own.gpu.createBuffer({ size: 16, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.STORAGE });
  await own.finish();
  expect(own.uncapturedErrors).toHaveLength(1);
  expect(own.failure).toBeNull();
  own.close();
  own.close();
  expect(own.failure).toBeInstanceOf(ClosedError);
  expect(() => own.createBuffer("x", 16, GPUBufferUsage.STORAGE)).toThrow(ClosedError);
  await expect(own.finish()).rejects.toThrow(ClosedError);
  await expect(own.pipeline(doubling)).rejects.toThrow(/The device .* is closed/);
});

it("names errors as their classes are named in the source", () => {
  for (const [name, Class] of Object.entries(errors)) expect(new Class("message", "remedy").name).toBe(name);
});

it("knows a lost device where its work ends after the read of it has failed, as in Firefox", async () => {
  let lose: (info: GPUDeviceLostInfo) => void;
  let end: () => void;
  const ended = new Promise<void>((resolve) => (end = resolve));
  const gpu = {
    lost: new Promise<GPUDeviceLostInfo>((resolve) => (lose = resolve)),
    queue: { onSubmittedWorkDone: () => ended },
    addEventListener: () => {},
    pushErrorScope: () => {},
    popErrorScope: async () => null,
  };
  const dying = new Device(gpu as unknown as GPUDevice, device.capabilities, device.info);
  const staging = { mapAsync: async () => Promise.reject(new DOMException("Buffer unmapped", "AbortError")) };
  setTimeout(() => {
    end();
    setTimeout(() => lose({ reason: "unknown", message: "a reset" } as GPUDeviceLostInfo), 20);
  }, 50);
  await expect(dying.readStaged(staging as unknown as GPUBuffer, 4)).rejects.toThrow("the device was lost: a reset");
});
