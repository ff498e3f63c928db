/** Pickles as hostile authors write them: instructions of protocol 2, put together by hand. */
import { concatenate } from "../../../src/io/formats/bytes.ts";

const text = (value: string) => new TextEncoder().encode(value);

export const op = (code: string | number): Uint8Array => (typeof code === "string" ? text(code) : Uint8Array.of(code));
export const str = (value: string): Uint8Array =>
  concatenate([op("X"), new Uint8Array(Uint32Array.of(text(value).length).buffer), text(value)]);
export const int = (value: number | bigint): Uint8Array =>
  concatenate([op(0x8a), Uint8Array.of(8), new Uint8Array(BigInt64Array.of(BigInt(value)).buffer)]);
export const name = (module: string, attribute: string): Uint8Array => text(`c${module}\n${attribute}\n`);
export const tuple = (...items: Uint8Array[]): Uint8Array => concatenate([op("("), ...items, op("t")]);
export const call = (callee: Uint8Array, ...args: Uint8Array[]): Uint8Array => concatenate([callee, tuple(...args), op("R")]);
export const dict = (entries: Readonly<Record<string, Uint8Array>>): Uint8Array =>
  concatenate([op("}"), op("("), ...Object.entries(entries).flatMap(([key, value]) => [str(key), value]), op("u")]);

/** A storage of floats with the key "0". */
export const storage = (elements: number | bigint, key = "0", kind = "FloatStorage"): Uint8Array =>
  concatenate([tuple(str("storage"), name("torch", kind), str(key), str("cpu"), int(elements)), op("Q")]);

export interface TensorParts {
  readonly elements?: number | bigint;
  readonly offset?: number | bigint;
  readonly shape?: readonly (number | bigint)[];
  readonly strides?: readonly (number | bigint)[];
}

/** By default the two floats of a storage of two. */
export const tensor = ({ elements = 2, offset = 0, shape = [2], strides = [1] }: TensorParts = {}): Uint8Array =>
  call(
    name("torch._utils", "_rebuild_tensor_v2"),
    storage(elements),
    int(offset),
    tuple(...shape.map(int)),
    tuple(...strides.map(int)),
    op(0x89),
    call(name("collections", "OrderedDict")),
  );

export const pickle = (...body: Uint8Array[]): Uint8Array => concatenate([op(0x80), op(2), ...body, op(".")]);
