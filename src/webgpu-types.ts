/**
 * The names of WebGPU's types that the package's declarations use. Where the DOM library or @webgpu/types describes them, these empty interfaces
 * merge with it; elsewhere, such as in Node without either, the names are at least known.
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
