/**
 * TensorBoard's event files, written without TensorFlow: scalars only.
 *
 * A file is a sequence of TFRecords: length, its checksum, data, its checksum (CRC-32C, masked as TensorFlow masks it). The data of each is
 * an `Event` message of tensorflow/core/util/event.proto in the protobuf encoding. This file makes the records; the owner of the log
 * appends them.
 */

import { concatenate } from "./bytes.ts";
import { varint } from "./protobuf.ts";

/** Numbers of one step by tag; a tag such as `train/loss` is shown in the group `train`. */
export interface ScalarEvent {
  /** Seconds since 1970. */
  readonly wallTime: number;
  readonly step: number;
  readonly values: Readonly<Record<string, number>>;
}

/** A file name that TensorBoard recognises. `host` distinguishes files created in the same second. */
export function eventFileName(wallTime: number, host: string): string {
  return `events.out.tfevents.${Math.floor(wallTime)}.${host}`;
}

/** The first record of a file. */
export function fileHeader(wallTime: number): Uint8Array {
  return record(concatenate([fields.wallTime(wallTime), fields.fileVersion("brain.Event:2")]));
}

/** The record of one step. Values that are not finite are kept: TensorBoard draws them as triangles. */
export function scalarRecord({ wallTime, step, values }: ScalarEvent): Uint8Array {
  const summary = Object.entries(values).map(([tag, value]) => fields.value(concatenate([fields.tag(tag), fields.simpleValue(value)])));
  return record(concatenate([fields.wallTime(wallTime), fields.step(step), fields.summary(concatenate(summary))]));
}

/** Wire types of the protobuf encoding. */
const wire = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

/** Fields of Event, Summary and Summary.Value, by their numbers in the .proto files. */
const fields = {
  wallTime: (value: number) => concatenate([key(1, wire.fixed64), double(value)]),
  step: (value: number) => concatenate([key(2, wire.varint), varint(value)]),
  fileVersion: (value: string) => delimited(3, new TextEncoder().encode(value)),
  summary: (value: Uint8Array) => delimited(5, value),
  value: (value: Uint8Array) => delimited(1, value),
  tag: (value: string) => delimited(1, new TextEncoder().encode(value)),
  simpleValue: (value: number) => concatenate([key(2, wire.fixed32), float(value)]),
};

function key(field: number, type: number): Uint8Array {
  return varint((field << 3) | type);
}

function delimited(field: number, bytes: Uint8Array): Uint8Array {
  return concatenate([key(field, wire.bytes), varint(bytes.length), bytes]);
}

function double(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value, true);
  return bytes;
}

function float(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setFloat32(0, value, true);
  return bytes;
}

function record(data: Uint8Array): Uint8Array {
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(data.length), true);
  return concatenate([length, maskedChecksum(length), data, maskedChecksum(data)]);
}

/** CRC-32C rotated and offset by a constant, so that checksums of data that contains checksums are not a special case. */
function maskedChecksum(bytes: Uint8Array): Uint8Array {
  const crc = crc32c(bytes);
  const masked = new Uint8Array(4);
  new DataView(masked.buffer).setUint32(0, (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0, true);
  return masked;
}

/** The reversed Castagnoli polynomial. */
const polynomial = 0x82f63b78;

const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1;
  return crc >>> 0;
});

/** CRC-32C (Castagnoli) of bytes. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = crcTable[(crc ^ byte) & 255]! ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}
