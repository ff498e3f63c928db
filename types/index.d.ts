/// <reference types="@webgpu/types" />
// For TypeScript before 6, whose DOM library has no WebGPU.
export * from "../dist/src/index.js";
