/** Devices come and go in a long process: what a closed one held is given back. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { openDevice } from "../../src/gpu/node.ts";
import { profile } from "../device.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

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
  // What a weak reference gave stays until the end of the turn.
  for (let turn = 0; turn < 50 && !allButOne(); turn++) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    collectGarbage();
  }
  expect(allButOne()).toBe(true);
});

test("devices of one kind share an instance of Dawn, also after all were closed", async () => {
  const [first, second] = [await openDevice({ profile }), await openDevice({ profile })];
  first.close();
  second.close();
  // Instances that are collected together with their devices end the process.
  collectGarbage();
  await using third = await openDevice({ profile });
  const buffer = third.createBuffer("some numbers", 16, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC);
  expect((await third.read({ buffer, offset: 0, size: 16 })).byteLength).toBe(16);
});
