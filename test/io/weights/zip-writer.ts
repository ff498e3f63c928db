/** Zip archives of stored members, for tests that need one that torch would never write. */
import { concatenate } from "../../../src/io/formats/bytes.ts";

export interface ZipMember {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** False claims of its header. */
  readonly claims?: { readonly method?: number; readonly flags?: number; readonly size?: number };
}

export function zipOf(members: readonly ZipMember[]): Uint8Array {
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let offset = 0;
  for (const { name, bytes, claims: { method = 0, flags = 0, size = bytes.length } = {} } of members) {
    const label = new TextEncoder().encode(name);
    const common = [u16(20), u16(flags), u16(method), u32(0), u32(0), u32(bytes.length), u32(size), u16(label.length), u16(0)];
    const local = concatenate([u32(0x04034b50), ...common, label, bytes]);
    directory.push(concatenate([u32(0x02014b50), u16(20), ...common, u16(0), u16(0), u16(0), u32(0), u32(offset), label]));
    parts.push(local);
    offset += local.length;
  }
  const end = concatenate(directory);
  const count = u16(members.length);
  return concatenate([...parts, end, u32(0x06054b50), u32(0), count, count, u32(end.length), u32(offset), u16(0)]);
}

function u16(value: number): Uint8Array {
  return new Uint8Array(Uint16Array.of(value).buffer);
}

function u32(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}
