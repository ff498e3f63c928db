/**
 * Reads Python's pickles, as far as saved weights need them, without running anything.
 *
 * A pickle is a program for a stack machine whose instructions can import and call anything in Python. Here only instructions that build
 * values are supported. A name that the program imports is looked up in the caller's table, and any other name is refused before anything
 * is made of it. Time and memory are bounded by a small multiple of the pickle's bytes. https://docs.python.org/3/library/pickletools.html
 */
import { FormatError } from "../../errors.ts";
import { quoted, show } from "../../show.ts";

/** A Python tuple; a list is an array. */
export class Tuple {
  constructor(readonly items: readonly unknown[]) {}
}

const EMPTY_TUPLE = new Tuple([]);

/** A name that a pickle imports and that its reader knows. */
export class Imported {
  constructor(
    readonly name: string,
    /** The result of calling it; undefined if it is only a name. Throws FormatError for arguments that it does not take. */
    readonly call?: (args: readonly unknown[]) => unknown,
  ) {}
}

/** The outside names and objects that a pickle may refer to. */
export interface PickleContext {
  /** The file's name in messages. */
  readonly path: string;
  /** By `module.name`. */
  readonly imports: ReadonlyMap<string, Imported>;
  /** Makes the error for a name that is known but not read; null for names that are not known. */
  readonly refusal: (name: string) => FormatError | null;
  /** The object that a persistent id stands for. */
  readonly persistent: (id: unknown) => unknown;
}

const UNSAFE =
  "It holds more than weights (a whole model, or an attack): do not open it in Python unless you trust it, and use its state_dict() or safetensors.";
const DAMAGED = "Get the file again: it is damaged, or was not written by torch.save.";

/**
 * One byte of a pickle can make a dictionary, which takes 200. So the memory of all objects that a pickle makes is counted roughly. It may
 * be this many times the pickle's size, almost twice what a state dict with the shortest names takes.
 */
const MEMORY_PER_BYTE = 24;
const FREE_MEMORY = 2 ** 20;
const DICTIONARY_MEMORY = 200;
const OBJECT_MEMORY = 64;
const MEMO_MEMORY = 64;

/** No size or offset needs a longer Python integer. */
const MAX_INTEGER_BYTES = 16;

/** Instructions that are refused, by their names in Python's pickletools: weights need none of them. */
const REFUSED: ReadonlyMap<number, string> = new Map([
  [code("I"), "INT"],
  [code("S"), "STRING"],
  [code("F"), "FLOAT"],
  [code("L"), "LONG"],
  [code("V"), "UNICODE"],
  [code("P"), "PERSID"],
  [code("i"), "INST"],
  [code("0"), "POP"],
  [code("o"), "OBJ"],
  [code("d"), "DICT"],
  [code("l"), "LIST"],
  [code("2"), "DUP"],
  [code("g"), "GET"],
  [code("p"), "PUT"],
  [code("1"), "POP_MARK"],
  [code("T"), "BINSTRING"],
  [code("U"), "SHORT_BINSTRING"],
  [code("B"), "BINBYTES"],
  [code("C"), "SHORT_BINBYTES"],
  [0x81, "NEWOBJ"],
  [0x82, "EXT1"],
  [0x83, "EXT2"],
  [0x84, "EXT4"],
  [0x8e, "BINBYTES8"],
  [0x8f, "EMPTY_SET"],
  [0x90, "ADDITEMS"],
  [0x91, "FROZENSET"],
  [0x92, "NEWOBJ_EX"],
  [0x96, "BYTEARRAY8"],
  [0x97, "NEXT_BUFFER"],
  [0x98, "READONLY_BUFFER"],
]);

/**
 * Reads the pickle that starts at byte `start`; `end` is the offset after it. Throws FormatError for one that is damaged or needs too much
 * memory.
 */
export function unpickle(bytes: Uint8Array, start: number, context: PickleContext): { value: unknown; end: number } {
  const machine = new Machine(bytes, start, context);
  while (!machine.stopped) machine.step();
  return { value: machine.pop(), end: machine.at };
}

class Machine {
  at: number;
  stopped = false;
  readonly #stack: unknown[] = [];
  /** The heights of the stack at the marks. */
  readonly #marks: number[] = [];
  #memory = 0;
  readonly #memo = new Map<number, unknown>();
  readonly #view: DataView;

  constructor(
    readonly bytes: Uint8Array,
    start: number,
    readonly context: PickleContext,
  ) {
    this.at = start;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  stop(): void {
    this.stopped = true;
  }

  step(): void {
    const code = this.uint(1);
    const instruction = INSTRUCTIONS.get(code);
    const refused = REFUSED.get(code);
    if (refused !== undefined) throw this.fault(`uses the instruction ${refused}`, UNSAFE);
    if (instruction === undefined) throw this.fault(`has the byte 0x${code.toString(16)} where an instruction should be`);
    instruction(this);
  }

  fault(what: string, remedy = DAMAGED): FormatError {
    return new FormatError(`${this.context.path}: its pickle, at byte ${this.at}, ${what}`, remedy);
  }

  push(value: unknown): void {
    this.#stack.push(value);
  }

  pop(): unknown {
    this.#expectValue();
    return this.#stack.pop();
  }

  /** The last `count` values, in the order in which they were pushed. */
  popLast(count: number): unknown[] {
    return Array.from({ length: count }, () => this.pop()).reverse();
  }

  top(): unknown {
    this.#expectValue();
    return this.#stack.at(-1);
  }

  mark(): void {
    this.#marks.push(this.#stack.length);
  }

  /** The values since the last mark. */
  popMark(): unknown[] {
    const mark = this.#marks.pop();
    if (mark === undefined) throw this.fault("takes values from a mark that is not set");
    return this.#stack.splice(mark);
  }

  /** Pushes an object that the pickle makes: a dictionary, a list, a tuple, or the result of a call. */
  pushMade(value: unknown): void {
    this.#count(value instanceof Map ? DICTIONARY_MEMORY : OBJECT_MEMORY);
    this.push(value);
  }

  #count(memory: number): void {
    this.#memory += memory;
    if (this.#memory <= FREE_MEMORY + this.bytes.length * MEMORY_PER_BYTE) return;
    throw this.fault("makes more dictionaries, lists and tuples than weights of its size need", UNSAFE);
  }

  /** Values below a mark cannot be accessed. */
  #expectValue(): void {
    if (this.#stack.length === (this.#marks.at(-1) ?? 0)) throw this.fault("takes a value from an empty stack");
  }

  remember(index = this.#memo.size): void {
    this.#count(MEMO_MEMORY);
    this.#memo.set(index, this.top());
  }

  recall(index: number): void {
    if (!this.#memo.has(index)) throw this.fault(`recalls the value ${index}, which it never stored`);
    this.push(this.#memo.get(index));
  }

  /** The next `count` bytes. */
  take(count: number): Uint8Array {
    if (count > this.bytes.length - this.at) throw this.fault(`ends where ${count} bytes should follow`);
    this.at += count;
    return this.bytes.subarray(this.at - count, this.at);
  }

  uint(size: 1 | 2 | 4 | 8): number {
    const start = this.at;
    this.take(size);
    if (size === 1) return this.#view.getUint8(start);
    if (size === 2) return this.#view.getUint16(start, true);
    return size === 4 ? this.#view.getUint32(start, true) : Number(this.#view.getBigUint64(start, true));
  }

  int32(): number {
    const start = this.at;
    this.take(4);
    return this.#view.getInt32(start, true);
  }

  float64(): number {
    const start = this.at;
    this.take(8);
    return this.#view.getFloat64(start, false);
  }

  /** Two's complement, the lowest byte first. A bigint where a number would not be exact. */
  long(size: number): number | bigint {
    if (size > MAX_INTEGER_BYTES) throw this.fault(`holds an integer of ${size} bytes`);
    let value = 0n;
    for (const [i, byte] of this.take(size).entries()) value |= BigInt(byte) << BigInt(8 * i);
    value = BigInt.asIntN(8 * size, value);
    const rounded = Number(value);
    return Number.isSafeInteger(rounded) ? rounded : value;
  }

  text(size: number): string {
    const bytes = this.take(size);
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      throw this.fault("holds a text that is not UTF-8");
    }
  }

  line(): string {
    const end = this.bytes.indexOf(0x0a, this.at);
    if (end < 0) throw this.fault("ends within a name");
    const text = this.text(end - this.at);
    this.at++;
    return text;
  }

  /** Pushes a name that the reader knows. */
  import(module?: unknown, name?: unknown): void {
    if (typeof module !== "string" || typeof name !== "string") {
      throw this.fault(`asks for the name ${show(name)} of the module ${show(module)}`, UNSAFE);
    }
    const known = this.context.imports.get(`${module}.${name}`);
    if (known === undefined)
      throw (
        this.context.refusal(`${module}.${name}`) ??
        this.fault(`asks for ${quoted(`${module}.${name}`)}, which weights do not need`, UNSAFE)
      );
    this.push(known);
  }

  call(): void {
    const args = this.pop();
    const callee = this.pop();
    if (!(callee instanceof Imported) || callee.call === undefined || !(args instanceof Tuple)) {
      throw this.fault(`calls ${callee instanceof Imported ? callee.name : "a value"}, which is no function`, UNSAFE);
    }
    this.pushMade(callee.call(args.items));
  }

  /** Python gives an object attributes after it is made. Those of a dictionary (a state dict's versions) are not weights. */
  build(): void {
    this.pop();
    if (!(this.top() instanceof Map)) throw this.fault("gives attributes to what is no dictionary", UNSAFE);
  }

  append(values: readonly unknown[]): void {
    const list = this.top();
    if (!Array.isArray(list)) throw this.fault("appends to what is no list");
    for (const value of values) list.push(value);
  }

  setItems(pairs: readonly unknown[]): void {
    const map = this.top();
    if (!(map instanceof Map) || pairs.length % 2 !== 0) throw this.fault("sets entries of what is no dictionary");
    for (let i = 0; i < pairs.length; i += 2) map.set(pairs[i], pairs[i + 1]);
  }
}

/** Every instruction that weights need, in the order of the protocol versions that introduced them. */
const INSTRUCTIONS: ReadonlyMap<number, (machine: Machine) => void> = new Map<number, (machine: Machine) => void>([
  [code("("), (m) => m.mark()],
  [code("."), (m) => m.stop()],
  [code("N"), (m) => m.push(null)],
  [code("J"), (m) => m.push(m.int32())],
  [code("K"), (m) => m.push(m.uint(1))],
  [code("M"), (m) => m.push(m.uint(2))],
  [code("G"), (m) => m.push(m.float64())],
  [code("X"), (m) => m.push(m.text(m.uint(4)))],
  [code("]"), (m) => m.pushMade([])],
  [code("a"), (m) => m.append([m.pop()])],
  [code("e"), (m) => m.append(m.popMark())],
  [code(")"), (m) => m.push(EMPTY_TUPLE)],
  [code("t"), (m) => m.pushMade(new Tuple(m.popMark()))],
  [code("}"), (m) => m.pushMade(new Map())],
  [code("s"), (m) => m.setItems(m.popLast(2))],
  [code("u"), (m) => m.setItems(m.popMark())],
  [code("c"), (m) => m.import(m.line(), m.line())],
  [code("R"), (m) => m.call()],
  [code("b"), (m) => m.build()],
  [code("Q"), (m) => m.push(m.context.persistent(m.pop()))],
  [code("q"), (m) => m.remember(m.uint(1))],
  [code("r"), (m) => m.remember(m.uint(4))],
  [code("h"), (m) => m.recall(m.uint(1))],
  [code("j"), (m) => m.recall(m.uint(4))],
  [0x80, (m) => m.take(1)],
  [0x85, (m) => m.pushMade(new Tuple(m.popLast(1)))],
  [0x86, (m) => m.pushMade(new Tuple(m.popLast(2)))],
  [0x87, (m) => m.pushMade(new Tuple(m.popLast(3)))],
  [0x88, (m) => m.push(true)],
  [0x89, (m) => m.push(false)],
  [0x8a, (m) => m.push(m.long(m.uint(1)))],
  [0x8b, (m) => m.push(m.long(m.uint(4)))],
  [0x8c, (m) => m.push(m.text(m.uint(1)))],
  [0x8d, (m) => m.push(m.text(m.uint(8)))],
  [0x93, (m) => m.import(...m.popLast(2))],
  [0x94, (m) => m.remember()],
  [0x95, (m) => m.take(8)],
]);

function code(character: string): number {
  return character.charCodeAt(0);
}
