/** simcse-webgpu in Node: the whole package, Dawn's devices and folders on disk. */
export { type NodeDeviceOptions, openDevice } from "./gpu/node.ts";
export { type Example, readExamples } from "./io/examples-node.ts";
export { openFolder, writeFileAtomically, writeFolderAtomically } from "./io/folder-node.ts";
export * from "./package.ts";
export { SimCSE } from "./simcse/simcse-node.ts";
