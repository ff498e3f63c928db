/** Bytes as characters with the same numbers. */

/**
 * The text of bytes in ISO 8859-1. Decoded by hand, because the Encoding standard's "latin1" label means windows-1252, and runtimes differ in
 * it.
 */
export function decodeLatin1(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}
