/**
 * Tensors that are larger than the device's largest binding, such as RoBERTa's word embeddings (154 MB, while WebGPU guarantees 128 MiB). A
 * kernel binds them in windows; its WGSL does not change, because it reads and writes through functions.
 */
import { type BufferWindow, bindingAlignment } from "../../gpu/device.ts";
import type { Windows } from "../../gpu/shader.ts";
import { byteSize, bytesPerElement, type Kernel, type TensorBinding, type Type } from "./operation.ts";

/** Numbers in one element of the WGSL type. */
const widths: Readonly<Record<string, number>> = { f32: 1, vec2f: 2, vec4f: 4 };

/** The most bytes of a window: a whole number of elements, so that the next window is aligned. */
const windowBytes = (largestBinding: number) => Math.floor(largestBinding / bindingAlignment) * bindingAlignment;

/** Whether a tensor is larger than the device's largest binding. */
export const needsWindows = (tensor: Type, largestBinding: number): boolean => byteSize(tensor) > largestBinding;

/** The kernel with every tensor bound in windows of at most `largestBinding` bytes. Tables of u32 and textures are not split. */
export function windowed(kernel: Kernel, largestBinding: number): Kernel {
  const bytes = windowBytes(largestBinding);
  const split = ({ tensor, element, access }: TensorBinding): Windows | null => {
    const width = widths[element];
    if (access === "texture" || width === undefined || !needsWindows(tensor, largestBinding)) return null;
    return { count: Math.ceil(byteSize(tensor) / bytes), elements: bytes / (width * bytesPerElement[tensor.dtype]) };
  };
  const windows = new Map(kernel.bindings.map((binding) => [binding.name, split(binding)]));
  if ([...windows.values()].every((found) => found === null)) return kernel;
  const bindings = kernel.shader.bindings.map((binding) => ({ ...binding, windows: windows.get(binding.name) ?? null }));
  return { ...kernel, shader: { ...kernel.shader, bindings } };
}

/** The parts in which `windowed` binds a tensor's memory: one part if it is small enough. */
export function windowsOf({ buffer, offset, size }: BufferWindow, largestBinding: number): BufferWindow[] {
  if (size <= largestBinding) return [{ buffer, offset, size }];
  const bytes = windowBytes(largestBinding);
  return Array.from({ length: Math.ceil(size / bytes) }, (_, i) => ({
    buffer,
    offset: offset + i * bytes,
    size: Math.min(bytes, size - i * bytes),
  }));
}
