/** A peer: how it is opened, and the three kinds of work that it may support. */
import type { KernelWork } from "./work.ts";

export type WorkKind = "train" | "encode" | "kernels";

export interface Peer {
  /** As in the tables. */
  readonly name: string;
  /** The kinds of work that it claims to support. If one fails, the table gives the reason. */
  readonly does: readonly WorkKind[];
  /** Loads the peer in this process, which it has for itself. `folder` holds the model's files, see `model-folder.ts`. */
  readonly open: (folder: string) => Promise<OpenPeer>;
}

/** Counts of the WebGPU calls of this process so far. */
export interface GpuCalls {
  readonly dispatches: number;
  readonly submits: number;
  readonly buffers: number;
}

export interface OpenPeer {
  /** Its version, and its threads if it uses the CPU. */
  readonly version: string;
  /** Absent if the peer has no WebGPU, or its own one that this process cannot see. */
  readonly calls?: GpuCalls;
  readonly trainer?: (dropout: number) => Promise<Trainer>;
  readonly encoder?: () => Promise<Encoder>;
  /** Null for a kernel that the peer does not have as a single one. */
  readonly kernel?: (work: KernelWork) => Promise<Kernel | null>;
  /** Peak memory in bytes, if the peer runs in another process. */
  readonly peakMemory?: () => Promise<number>;
}

export interface Trainer {
  /** One training step on the batch of `sentences()`, each sentence twice. Resolves with the loss when everything is computed. */
  readonly step: () => Promise<number>;
}

export interface Encoder {
  /** Embeddings of `sentences()`, f32 [batchSize, hidden_size], not normalised. */
  readonly encode: () => Promise<Float32Array>;
}

export interface Kernel {
  /** Computes the kernel `times` times; resolves when everything is computed. */
  readonly run: (times: number) => Promise<void>;
  /** Of the last run, row-major. */
  readonly result: () => Promise<Float32Array>;
}
