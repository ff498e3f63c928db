/** A request's body: read up to a limit, decompressed up to the same limit, and parsed as JSON. */
import type { IncomingMessage } from "node:http";
import { promisify } from "node:util";
import { brotliDecompress, gunzip, inflate, inflateRaw } from "node:zlib";
import { withExactIntegers } from "../../src/io/formats/json.ts";
import { printable } from "../../src/show.ts";
import { checkJsonBounds } from "./json-bounds.ts";
import { RequestError } from "./request-error.ts";

type Decoder = (body: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>;

const [withHeader, withoutHeader]: readonly [Decoder, Decoder] = [promisify(inflate), promisify(inflateRaw)];

const decoders: Readonly<Record<string, Decoder>> = {
  gzip: promisify(gunzip),
  "x-gzip": promisify(gunzip),
  // The name is that of the format inside zlib's, and some clients send just that.
  deflate: (body, options) => (hasZlibHeader(body) ? withHeader : withoutHeader)(body, options),
  br: promisify(brotliDecompress),
};

/** RFC 1950: the method 8, and a checksum of the first two bytes. */
const hasZlibHeader = (body: Buffer) => body.length > 1 && (body[0]! & 0x0f) === 8 && body.readUInt16BE(0) % 31 === 0;

export interface BodyLimits {
  /** Bytes, compressed and not. */
  readonly bodyBytes: number;
  /** Texts, numbers and other values. */
  readonly values: number;
}

/** How a body is read. */
export interface BodyOptions {
  /** Whole numbers that no JavaScript number is exact for become texts, as in an index's metadata; they are rounded if absent. */
  readonly exactIntegers?: boolean;
}

/** Throws `RequestError`: 415 for any other media type or encoding, 413 above the limit of bytes, 400 for invalid or too complex JSON. */
export async function readJsonBody(
  incoming: IncomingMessage,
  { bodyBytes: limit, values }: BodyLimits,
  { exactIntegers = false }: BodyOptions = {},
): Promise<unknown> {
  const { "content-type": type = "", "content-encoding": encoding = "identity" } = incoming.headers;
  const isJson = /^application\/(json|[\w.-]+\+json)\s*(;|$)/i.test(type.trim());
  if (!isJson)
    throw new RequestError(
      415,
      `The body must be sent as Content-Type: application/json, not ${type === "" ? "without a type" : JSON.stringify(type)}.`,
    );
  const body = await decoded(await readBody(incoming, limit), encoding.trim().toLowerCase(), limit);
  await checkJsonBounds(body, values);
  const json = textOf(body);
  return parsed(exactIntegers ? withExactIntegers(json) : json);
}

function textOf(body: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(body);
  } catch {
    throw new RequestError(400, "The body is not UTF-8, which JSON is sent in.");
  }
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (cause) {
    throw new RequestError(400, `The body is not valid JSON: ${json.trim() === "" ? "it is empty" : printable((cause as Error).message)}.`);
  }
}

const tooLarge = (limit: number) =>
  new RequestError(413, `The body is larger than ${limit} bytes: send fewer inputs at once (or start the server with --max_body_bytes).`);

/** Bytes beyond the limit are dropped; `serveHttp` reads the body to its end, so that the client gets the response. */
function readBody(incoming: IncomingMessage, limit: number): Promise<Buffer> {
  if (Number(incoming.headers["content-length"] ?? 0) > limit) return Promise.reject(tooLarge(limit));
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    let bytes = 0;
    const onData = (piece: Buffer) => {
      bytes += piece.length;
      if (bytes <= limit) {
        pieces.push(piece);
        return;
      }
      incoming.off("data", onData);
      reject(tooLarge(limit));
    };
    incoming.on("data", onData);
    incoming.once("end", () => resolve(Buffer.concat(pieces)));
    incoming.once("close", () => reject(new RequestError(400, "The body ended before it was whole.")));
  });
}

async function decoded(body: Buffer, encoding: string, limit: number): Promise<Buffer> {
  if (encoding === "identity" || encoding === "") return body;
  const decode = Object.hasOwn(decoders, encoding) ? decoders[encoding] : undefined;
  if (decode === undefined)
    throw new RequestError(415, `The body's encoding ${JSON.stringify(encoding)} is not known; send it plain, or as gzip, deflate or br.`);
  try {
    return await decode(body, { maxOutputLength: limit });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") throw tooLarge(limit);
    throw new RequestError(400, `The body is not valid ${encoding}.`);
  }
}
