/**
 * The names of WebGPU's types that the package's declarations use. If the DOM library or @webgpu/types declares them, these empty
 * interfaces merge with them. Otherwise, as in Node without either, at least the names exist.
 */
declare global {
  interface GPU {}
  interface GPUAdapterInfo {}
  interface GPUBindGroup {}
  interface GPUBindGroupLayout {}
  interface GPUBindGroupLayoutEntry {}
  interface GPUBuffer {}
  interface GPUCommandBuffer {}
  interface GPUCommandEncoder {}
  interface GPUComputePassDescriptor {}
  interface GPUComputePipeline {}
  interface GPUDevice {}
  interface GPUDeviceLostInfo {}
}

export {};
