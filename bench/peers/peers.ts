/** The table of peers. A peer's file is loaded when the peer is opened, so that no process loads another peer's libraries. */
import type { Peer } from "./peer.ts";

/** The peer that all others are compared with. */
export const ours: Peer = {
  name: "simcse-webgpu",
  does: ["train", "encode", "kernels"],
  open: async () => (await import("./peers/simcse-webgpu.ts")).open(),
};

/** A yardstick, not a peer: the textbook kernel. */
export const sharedTile: Peer = {
  name: "64×64×8 shared tile",
  does: ["kernels"],
  open: async () => (await import("./peers/shared-tile.ts")).open(),
};

/** The independent implementation that losses and embeddings are compared with, if it is installed. */
export const pytorch: Peer = {
  name: "PyTorch, CPU",
  does: ["train", "encode", "kernels"],
  open: async (folder) => (await import("./peers/pytorch.ts")).open(folder),
};

export const peers: readonly Peer[] = [
  ours,
  {
    name: "tfjs, WebGPU",
    does: ["train", "encode", "kernels"],
    open: async () => (await import("./peers/tfjs.ts")).open(),
  },
  {
    name: "jax-js, WebGPU",
    does: ["train", "encode", "kernels"],
    open: async () => (await import("./peers/jax-js.ts")).open("webgpu"),
  },
  {
    name: "jax-js, wasm",
    does: ["train", "encode", "kernels"],
    open: async () => (await import("./peers/jax-js.ts")).open("wasm"),
  },
  {
    name: "transformers.js, WebGPU",
    does: ["encode"],
    open: async (folder) => (await import("./peers/transformers-js.ts")).open(folder),
  },
  {
    name: "ONNX Runtime native, WebGPU",
    does: ["encode", "kernels"],
    open: async (folder) => (await import("./peers/onnxruntime.ts")).open("native, WebGPU", folder),
  },
  {
    name: "ONNX Runtime web, WebGPU",
    does: ["encode", "kernels"],
    open: async (folder) => (await import("./peers/onnxruntime.ts")).open("web, WebGPU", folder),
  },
  {
    name: "ONNX Runtime web, wasm",
    does: ["encode", "kernels"],
    open: async (folder) => (await import("./peers/onnxruntime.ts")).open("web, wasm", folder),
  },
  {
    name: "ONNX Runtime native, CPU",
    does: ["encode", "kernels"],
    open: async (folder) => (await import("./peers/onnxruntime.ts")).open("native, CPU", folder),
  },
  pytorch,
  {
    name: "OpenBLAS",
    does: ["kernels"],
    open: async () => (await import("./peers/openblas.ts")).open(),
  },
  sharedTile,
];
