/**
 * simcse-webgpu in Node: the whole package, Dawn's devices, folders on disk, models from the hub.
 *
 * @module simcse-webgpu
 */
export { type NodeDeviceOptions, openDevice } from "./gpu/node.ts";
export { openExampleFile, readExamples } from "./io/examples-node.ts";
export { openFolder, writeFileAtomically, writeFolderAtomically } from "./io/folder-node.ts";
export type { SplitChoice } from "./io/hub/parquet-splits.ts";
export { type Pushed, type PushOptions, pushFolder } from "./io/hub/push-node.ts";
export { type HubExamplesOptions, openHubExamples } from "./io/hub-examples-node.ts";
export { type HubOptions, openHubFolder, openModelFolder } from "./io/hub-node.ts";
export { sentencesOf } from "./io/text-node.ts";
export * from "./package.ts";
export type { PushModelOptions } from "./simcse/checkpoint/push-model-node.ts";
export { type TeacherVectorsOptions, writeTeacherVectors } from "./simcse/distillation/teacher-vectors-node.ts";
export { exportIndex, type IndexFormat, indexFormats } from "./simcse/search/export-index.ts";
export { SimCSE } from "./simcse/simcse-node.ts";
export { openTuning } from "./tuning/tuning-node.ts";
