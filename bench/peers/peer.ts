/** What a peer is: how it is opened, and the three kinds of work that it may be able to do. */
import type { KernelWork } from "./work.ts";

export type WorkKind = "train" | "encode" | "kernels";

export interface Peer {
  /** As in the tables. */
  readonly name: string;
  /** The kinds of work that it claims. One that it then cannot do stands in the table with its reason. */
  readonly does: readonly WorkKind[];
  /** Loads the peer in this process, which is its own. `folder` holds the model's files, see `model-folder.ts`. */
  readonly open: (folder: string) => Promise<OpenPeer>;
}

/** What was done so far with all of this process's WebGPU devices. */
export interface GpuCalls {
  readonly dispatches: number;
  readonly submits: number;
  readonly buffers: number;
}

export interface OpenPeer {
  /** Its version, and its threads where it uses the CPU. */
  readonly version: string;
  /** Absent where the peer has no WebGPU, or one of its own that this process does not see. */
  readonly calls?: GpuCalls;
  readonly trainer?: (dropout: number) => Promise<Trainer>;
  readonly encoder?: () => Promise<Encoder>;
  /** Null for a kernel that the peer does not have by itself. */
  readonly kernel?: (work: KernelWork) => Promise<Kernel | null>;
  /** Bytes, where the peer is not in this process but in one of its own. */
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
