/** The tasks of a peer's process. One task at a time is prepared and then repeated. */
import { readFileSync } from "node:fs";
import type { Encoder, GpuCalls, Kernel, OpenPeer, Peer, Trainer } from "./peer.ts";
import type { KernelWork } from "./work.ts";

/** The duration of a task, and its WebGPU calls if they can be counted. */
export interface Timed {
  readonly milliseconds: number;
  readonly calls: GpuCalls | null;
}

export class Session {
  #open: OpenPeer | undefined;
  #trainer: Trainer | undefined;
  #encoder: Encoder | undefined;
  #kernel: Kernel | undefined;

  constructor(
    readonly peer: Peer,
    readonly folder: string,
  ) {}

  /** The peer's version. */
  async open(): Promise<string> {
    this.#open = await this.peer.open(this.folder);
    return this.#open.version;
  }

  async prepareTraining(dropout: number): Promise<void> {
    this.#trainer = await this.#open!.trainer!(dropout);
  }

  async trainingStep(): Promise<Timed & { loss: number }> {
    const [loss, timed] = await this.#time(() => this.#trainer!.step());
    return { loss, ...timed };
  }

  async prepareEncoding(): Promise<void> {
    this.#encoder = await this.#open!.encoder!();
  }

  /** Times the second of two runs, because the other peers have used the caches since its last turn. */
  async encode(): Promise<Timed & { embeddings: Float32Array }> {
    await this.#encoder!.encode();
    const [embeddings, timed] = await this.#time(() => this.#encoder!.encode());
    return { embeddings, ...timed };
  }

  /** False for a kernel that the peer lacks. */
  async prepareKernel(work: KernelWork): Promise<boolean> {
    this.#kernel = (await this.#open!.kernel!(work)) ?? undefined;
    return this.#kernel !== undefined;
  }

  async runKernel(times: number): Promise<Timed> {
    const [, timed] = await this.#time(() => this.#kernel!.run(times));
    return timed;
  }

  kernelResult(): Promise<Float32Array> {
    return this.#kernel!.result();
  }

  /** Peak memory of the peer's process in bytes. */
  async peakMemory(): Promise<number> {
    return this.#open!.peakMemory?.() ?? peakMemory();
  }

  async #time<Result>(work: () => Promise<Result>): Promise<[Result, Timed]> {
    const before = this.#open!.calls ? { ...this.#open!.calls } : null;
    const start = performance.now();
    const result = await work();
    const milliseconds = performance.now() - start;
    return [result, { milliseconds, calls: before && difference(this.#open!.calls!, before) }];
  }
}

function difference(after: GpuCalls, before: GpuCalls): GpuCalls {
  return {
    dispatches: after.dispatches - before.dispatches,
    submits: after.submits - before.submits,
    buffers: after.buffers - before.buffers,
  };
}

/** Peak memory in bytes. Uses Linux's own mark of this program if there is one, because `maxRSS` starts with the parent's memory. */
function peakMemory(): number {
  if (process.platform !== "linux") return process.resourceUsage().maxRSS * 1024;
  const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))!;
  return Number(kilobytes) * 1024;
}
