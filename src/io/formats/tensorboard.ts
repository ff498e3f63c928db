/**
 * TensorBoard's event files, written without TensorFlow: scalars only.
 *
 * A file is a sequence of TFRecords: length, its checksum, data, its checksum (CRC-32C, masked as TensorFlow masks it). The data of each is
 * an `Event` message of tensorflow/core/util/event.proto in the protobuf encoding. This file makes the records; the owner of the log
 * appends them.
 */
import { concatenate } from "./bytes.ts";
import { double, float, integer, message, text } from "./protobuf.ts";

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
  return record(concatenate([...double(event.wallTime, wallTime), ...text(event.fileVersion, "brain.Event:2")]));
}

/**
 * The second record of a file: a run begins with `step`. In a folder with several files, TensorBoard drops what earlier ones that begin so
 * have from this step on, such as the steps that a resumed run makes again.
 */
export function startRecord(wallTime: number, step: number): Uint8Array {
  const session = message(event.sessionLog, integer(sessionStatus.field, sessionStatus.start));
  return record(concatenate([...double(event.wallTime, wallTime), ...integer(event.step, step), ...session]));
}

/** The record of one step. Values that are not finite are kept: TensorBoard draws them as triangles. */
export function scalarRecord({ wallTime, step, values }: ScalarEvent): Uint8Array {
  const summary = Object.entries(values).flatMap(([tag, value]) =>
    message(summaryValue, [...text(scalar.tag, tag), ...float(scalar.simpleValue, value)]),
  );
  return record(concatenate([...double(event.wallTime, wallTime), ...integer(event.step, step), ...message(event.summary, summary)]));
}

/** The fields of Event, of SessionLog, of Summary and of Summary.Value, by their numbers in the .proto files. */
const event = { wallTime: 1, step: 2, fileVersion: 3, summary: 5, sessionLog: 7 } as const;
const sessionStatus = { field: 1, start: 1 } as const;
const summaryValue = 1;
const scalar = { tag: 1, simpleValue: 2 } as const;

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
