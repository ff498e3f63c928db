/**
 * The names of a browser's types that the package's declarations use. If the DOM library or @webgpu/types declares them, these interfaces
 * merge with them. Otherwise, as in Node without either, at least the names exist.
 */
declare global {
  interface FileSystemDirectoryHandle {
    readonly kind: "directory";
  }
  interface GPU {}
  interface GPUAdapterInfo {}
  interface GPUBindGroup {}
  interface GPUBindGroupLayout {}
  interface GPUBindGroupLayoutEntry {}
  interface GPUBuffer {}
  interface GPUBufferBinding {}
  interface GPUCommandBuffer {}
  interface GPUCommandEncoder {}
  interface GPUComputePassDescriptor {}
  interface GPUComputePipeline {}
  interface GPUDevice {}
  interface GPUDeviceLostInfo {}
  interface GPUStorageTextureBindingLayout {}
  interface GPUTexture {}
  interface GPUTextureView {}
}

export {};
