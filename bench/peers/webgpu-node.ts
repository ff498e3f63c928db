/** WebGPU for peers that expect a browser: `navigator.gpu` through Dawn, and a count of the calls. */
import { create, globals } from "webgpu";
import { installNavigator } from "./navigator-node.ts";
import type { GpuCalls } from "./peer.ts";

/** Dawn's instance; it must not be garbage-collected while one of its devices is in use. */
let instance: GPU | undefined;

/** Puts Dawn where a browser has `navigator.gpu`. */
export function installWebgpu(): void {
  Object.assign(globalThis, globals);
  instance ??= create([]);
  installNavigator(instance);
}

/** Counts the calls of every WebGPU device in this process from now on. */
export function countGpuCalls(): GpuCalls {
  Object.assign(globalThis, globals);
  const calls = { dispatches: 0, submits: 0, buffers: 0 };
  count(GPUComputePassEncoder.prototype, "dispatchWorkgroups", () => calls.dispatches++);
  count(GPUComputePassEncoder.prototype, "dispatchWorkgroupsIndirect", () => calls.dispatches++);
  count(GPUQueue.prototype, "submit", () => calls.submits++);
  count(GPUDevice.prototype, "createBuffer", () => calls.buffers++);
  return calls;
}

function count<Name extends string>(prototype: Record<Name, (...values: never[]) => unknown>, method: Name, note: () => void): void {
  const original = prototype[method];
  prototype[method] = function (this: unknown, ...values: never[]) {
    note();
    return Reflect.apply(original, this, values);
  };
}

/** Makes `writeBuffer` accept views of shared memory, as in browsers; Dawn in Node refuses them. */
export function acceptSharedMemory(): void {
  const { writeBuffer } = GPUQueue.prototype;
  GPUQueue.prototype.writeBuffer = function (buffer, bufferOffset, data, dataOffset = 0, size) {
    const view = ArrayBuffer.isView(data) ? data : new Uint8Array(data);
    if (!(view.buffer instanceof SharedArrayBuffer))
      return Reflect.apply(writeBuffer, this, [buffer, bufferOffset, data, dataOffset, size]);
    const elementBytes = "BYTES_PER_ELEMENT" in view ? (view.BYTES_PER_ELEMENT as number) : 1;
    const from = view.byteOffset + dataOffset * elementBytes;
    const bytes = size === undefined ? view.byteLength - dataOffset * elementBytes : size * elementBytes;
    return writeBuffer.call(this, buffer, bufferOffset, new Uint8Array(new Uint8Array(view.buffer, from, bytes)));
  };
}
