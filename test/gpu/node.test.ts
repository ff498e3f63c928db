/** Devices come and go in a long process: what a closed one held is given back. */
import { expect, test, vi } from "vitest";
import { openDevice } from "../../src/gpu/node.ts";
import { profile } from "../device.ts";
import { collectGarbage } from "../garbage.ts";

/** What each of Dawn's instances was made with. */
const instances = vi.hoisted((): (readonly string[])[] => []);
vi.mock("webgpu", async (original) => {
  const webgpu = await original<typeof import("webgpu")>();
  const create: typeof webgpu.create = (flags) => {
    instances.push(flags);
    return webgpu.create(flags);
  };
  return { ...webgpu, create };
});

/** Opens and closes a device, and says whether it was garbage-collected. */
async function opened(): Promise<() => boolean> {
  const device = await openDevice({ profile });
  const buffer = device.createBuffer("some numbers", 1024, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC);
  await device.read({ buffer, offset: 0, size: 1024 });
  const [own, ofDawn] = [new WeakRef(device), new WeakRef(device.gpu)];
  device.close();
  return () => own.deref() === undefined && ofDawn.deref() === undefined;
}

test("closed devices are garbage, also Dawn's part of them", async () => {
  const gone: (() => boolean)[] = [];
  for (let i = 0; i < 4; i++) gone.push(await opened());
  // The last one may still be on the stack.
  const allButOne = () => gone.filter((isGone) => isGone()).length >= gone.length - 1;
  for (let turn = 0; turn < 50 && !allButOne(); turn++) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    collectGarbage();
  }
  expect(allButOne()).toBe(true);
});

test("devices of one kind share an instance of Dawn, also after all were closed", async () => {
  const [first, second] = [await openDevice({ profile }), await openDevice({ profile })];
  const before = instances.length;
  first.close();
  second.close();
  // Instances that are collected together with their devices end the process.
  collectGarbage();
  await using third = await openDevice({ profile });
  const buffer = third.createBuffer("some numbers", 16, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC);
  expect((await third.read({ buffer, offset: 0, size: 16 })).byteLength).toBe(16);
  expect(instances.length).toBe(before);
  await using other = await openDevice({ profile, backend: "null" });
  expect(other.name).not.toBe(third.name);
  expect(instances.length).toBe(before + 1);
});

test("an instance that failed opens no other device, and those that it opened before live on", async () => {
  await using living = await openDevice({ profile });
  const before = instances.length;
  const request = vi.spyOn(GPU.prototype, "requestAdapter");
  request.mockRejectedValueOnce(new Error("the driver is gone"));
  await expect(openDevice({ profile })).rejects.toThrow("the driver is gone");
  request.mockRestore();
  await using next = await openDevice({ profile });
  expect(instances.length).toBe(before + 1);
  for (const device of [living, next]) {
    const buffer = device.createBuffer("some numbers", 16, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC);
    expect((await device.read({ buffer, offset: 0, size: 16 })).byteLength).toBe(16);
  }
});
