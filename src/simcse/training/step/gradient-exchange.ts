/**
 * Adds tensors of several devices, such as their gradients, through the host (a reduce-scatter and an all-gather). The tensors are cut into
 * blocks, and each block into as many shares as there are devices. A device gets what the others have for its share, adds all in the order
 * of the devices, and passes the sum on. What is mapped of one device is written to another as it is: JavaScript neither copies nor adds.
 * Blocks do not wait for each other, so some are read while others are added.
 */
import { compile, type Program } from "../../../autograd/program.ts";
import type { TensorRange } from "../../../autograd/segments.ts";
import type { Limits } from "../../../gpu/capabilities.ts";
import { alignedForBinding, type BufferWindow, bindingAlignment, type Device } from "../../../gpu/device.ts";
import { bytesPerElement } from "../../../kernels/language/operation.ts";
import { addFromDevices } from "../../../kernels/optimizer/add-from-devices.ts";
import { ArenaTensor } from "../../../nn/parameters/arena-tensor.ts";
import { allEnded, allOrNone } from "../../all-ended.ts";
import type { Share } from "./step-programs.ts";

/** A device with the tensors that it adds to those of others: f32, and on all devices of the same sizes in the same order. */
export interface Member {
  readonly device: Device;
  readonly tensors: readonly ArenaTensor[];
}

/** The most bytes of a block: few enough that several are on their way at once, enough to make each of them worth a dispatch. */
const mostBytes = 2 ** 25;

/** Ranges of tensors in blocks that every device can bind. */
export function blocksOf(ranges: readonly TensorRange[], { maxStorageBufferBindingSize }: Limits): TensorRange[] {
  const most = Math.floor(Math.min(mostBytes, maxStorageBufferBindingSize) / bindingAlignment) * bindingAlignment;
  return ranges.flatMap(({ tensor, first, end }) =>
    Array.from({ length: Math.ceil((end - first) / most) }, (_, i) => ({
      tensor,
      first: first + i * most,
      end: Math.min(first + (i + 1) * most, end),
    })),
  );
}

/** The part of a block that one device adds; it may be empty. */
function shareOf({ tensor, first, end }: TensorRange, { rank, of }: Share): TensorRange {
  const most = alignedForBinding((end - first) / of);
  return { tensor, first: Math.min(first + rank * most, end), end: Math.min(first + (rank + 1) * most, end) };
}

const bytesOf = ({ first, end }: TensorRange) => end - first;
const count = (range: TensorRange) => bytesOf(range) / bytesPerElement.f32;

/** Bytes through which a block leaves a device: first what others add, then the sum of its own share. */
function stagingBytes(block: TensorRange, share: Share): number {
  const own = bytesOf(shareOf(block, share));
  return Math.max(own, bytesOf(block) - own);
}

/** Bytes that take what the others have for a share; blocks use them one after the other. */
function incomingBytes(blocks: readonly TensorRange[], share: Share): number {
  return Math.max(...blocks.map((block) => (share.of - 1) * bytesOf(shareOf(block, share))));
}

/** The most bytes that an exchange of these blocks allocates on one of several devices, beside the uniforms of a small program a block. */
export function exchangeBytes(blocks: readonly TensorRange[], devices: number): number {
  const onDevices = Array.from({ length: devices }, (_, rank) => {
    const share = { rank, of: devices };
    return incomingBytes(blocks, share) + blocks.reduce((sum, block) => sum + stagingBytes(block, share), 0);
  });
  return Math.max(...onDevices);
}

/** The exchange between some devices, with its memory and kernels. */
export class GradientExchange {
  private constructor(
    readonly blocks: readonly TensorRange[],
    readonly members: readonly Participant[],
  ) {}

  /** Throws `CapacityError` when a device has no room. */
  static async create(members: readonly Member[], blocks: readonly TensorRange[]): Promise<GradientExchange> {
    const share = (rank: number): Share => ({ rank, of: members.length });
    const making = members.map((member, rank) => Participant.create(member, share(rank), blocks));
    return new GradientExchange(blocks, await allOrNone(making, (participant) => participant.close()));
  }

  /** Reads some blocks of member number `rank` after the work submitted so far, while later work runs; `add` reads the others. */
  send(rank: number, blocks: readonly TensorRange[]): void {
    for (const block of blocks) this.members[rank]!.send(block);
  }

  /** Gives every member the sum. Throws when a device is lost; then tensors may be partly added. */
  async add(): Promise<void> {
    for (const member of this.members) for (const block of this.blocks) member.send(block);
    await allEnded(this.blocks.map((block) => this.#add(block)));
  }

  /** Forgets what was sent, after a step that failed. */
  async discard(): Promise<void> {
    await allEnded(this.members.map((member) => member.discard()));
  }

  async #add(block: TensorRange): Promise<void> {
    const parts = await allEnded(this.members.map((member) => member.sent(block)));
    // All of this in one turn, because blocks share the memory for what comes from others.
    for (const to of this.members) for (const [from, bytes] of parts.entries()) to.receive(block, from, bytes);
    for (const member of this.members) member.unmap(block);
    const sums = await allEnded(this.members.map((member) => member.add(block)));
    for (const to of this.members) for (const [from, bytes] of sums.entries()) to.take(block, from, bytes);
    for (const member of this.members) member.unmap(block);
  }

  close(): void {
    for (const member of this.members) member.close();
  }
}

/** A member's side of the exchange. */
class Participant {
  readonly #sent = new Map<TensorRange, Promise<ArrayBuffer>>();

  private constructor(
    readonly member: Member,
    readonly share: Share,
    readonly staging: ReadonlyMap<TensorRange, GPUBuffer>,
    readonly incoming: GPUBuffer,
    /** What adds a block's share; none where it is empty. */
    readonly adding: ReadonlyMap<TensorRange, Program>,
  ) {}

  static async create(member: Member, share: Share, blocks: readonly TensorRange[]): Promise<Participant> {
    const { STORAGE, COPY_DST, COPY_SRC, MAP_READ } = GPUBufferUsage;
    const [incoming, ...staging] = await member.device.allocate("exchanging gradients", [
      { label: "gradients of other devices", bytes: incomingBytes(blocks, share), usage: STORAGE | COPY_DST | COPY_SRC },
      ...blocks.map((block) => ({ label: "gradients, staging", bytes: stagingBytes(block, share), usage: COPY_DST | MAP_READ })),
    ]);
    const adding = new Map<TensorRange, Program>();
    const made = new Participant(member, share, new Map(blocks.map((block, i) => [block, staging[i]!])), incoming!, adding);
    try {
      for (const block of blocks) if (count(shareOf(block, share)) > 0) adding.set(block, await made.#compile(block));
      return made;
    } catch (error) {
      made.close();
      throw error;
    }
  }

  #compile(block: TensorRange): Promise<Program> {
    const { member, share, incoming } = this;
    const own = shareOf(block, share);
    const others = new ArenaTensor("gradients of other devices", "f32", [share.of - 1, count(own)]);
    others.buffer = incoming;
    const tensor = member.tensors[block.tensor]!;
    const sum = tensor.part(`${tensor.name}, share ${share.rank}`, own.first / bytesPerElement.f32, [count(own)]);
    return compile(member.device, (tape) => {
      addFromDevices(tape, others, sum, share.rank);
      return {};
    });
  }

  #shareOf(block: TensorRange, rank: number): TensorRange {
    return shareOf(block, { ...this.share, rank });
  }

  #window(part: TensorRange): BufferWindow {
    const { buffer, offset } = this.member.tensors[part.tensor]!.window;
    return { buffer, offset: offset + part.first, size: bytesOf(part) };
  }

  /** Begins to map what the others add of a block, all but the own share, unless it was sent before. */
  send(block: TensorRange): void {
    if (this.#sent.has(block)) return;
    const own = shareOf(block, this.share);
    const sent = this.#map(block, [
      { ...block, end: own.first },
      { ...block, first: own.end },
    ]);
    this.#sent.set(block, sent);
    // Whoever waits for it gets the error; a step that fails elsewhere waits for nothing.
    sent.catch(() => {});
  }

  /** What was sent of a block. */
  sent(block: TensorRange): Promise<ArrayBuffer> {
    return this.#sent.get(block)!;
  }

  async discard(): Promise<void> {
    await Promise.allSettled(this.#sent.values());
    for (const block of this.staging.keys()) this.unmap(block);
  }

  /** Takes what device number `from` has for the own share, out of what it sent. */
  receive(block: TensorRange, from: number, bytes: ArrayBuffer): void {
    if (from === this.share.rank) return;
    const own = shareOf(block, this.share);
    const theirs = this.#shareOf(block, from);
    const at = own.first - block.first - (from < this.share.rank ? bytesOf(theirs) : 0);
    const place = from < this.share.rank ? from : from - 1;
    this.#write({ buffer: this.incoming, offset: place * bytesOf(own), size: bytesOf(own) }, bytes, at);
  }

  /** Adds the own share and maps the sum. */
  async add(block: TensorRange): Promise<ArrayBuffer> {
    this.adding.get(block)?.run();
    return this.#map(block, [shareOf(block, this.share)]);
  }

  /** Takes the sum of another one's share. */
  take(block: TensorRange, from: number, bytes: ArrayBuffer): void {
    if (from !== this.share.rank) this.#write(this.#window(this.#shareOf(block, from)), bytes, 0);
  }

  /** The end of what was mapped of a block. */
  unmap(block: TensorRange): void {
    this.staging.get(block)!.unmap();
    this.#sent.delete(block);
  }

  close(): void {
    for (const program of this.adding.values()) program.close();
    for (const buffer of [this.incoming, ...this.staging.values()]) buffer.destroy();
  }

  /** Maps some parts of a block, one after the other. */
  async #map(block: TensorRange, parts: readonly TensorRange[]): Promise<ArrayBuffer> {
    const { device } = this.member;
    const staging = this.staging.get(block)!;
    const windows = parts.map((part) => this.#window(part)).filter(({ size }) => size > 0);
    let bytes = 0;
    const copied = device.submit((encoder) => {
      for (const { buffer, offset, size } of windows) {
        encoder.copyBufferToBuffer(buffer, offset, staging, bytes, size);
        bytes += size;
      }
    });
    return device.mapStaged(staging, bytes, copied);
  }

  #write({ buffer, offset, size }: BufferWindow, bytes: ArrayBuffer, from: number): void {
    this.member.device.check();
    if (size > 0) this.member.device.gpu.queue.writeBuffer(buffer, offset, bytes, from, size);
  }
}
