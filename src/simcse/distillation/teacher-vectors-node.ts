/**
 * A teacher's vectors for many texts, in a file on disk that grows window by window: encoding can be ended at any moment and goes on from
 * what is there. Memory is that of one window.
 *
 * A folder holds `vectors.npy`, f32 [texts, dimension], and `vectors.json`, which says what they are: digests of the teacher and of the
 * texts, and how many rows are on the disk. Until all rows are there, the matrix has the name `vectors.npy.partial`. Rows are f32, with the
 * same bits as those of `encode`: 1.5 KB for 384 numbers, little beside the time it takes to make them.
 */
import "../../disposal.ts";
import { createHash } from "node:crypto";
import { constants, type FileHandle, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { FileError, FormatError } from "../../errors.ts";
import { type Folder, readObject } from "../../io/folder.ts";
import { openFolder, writeFileAtomically } from "../../io/folder-node.ts";
import { fileOperation } from "../../io/folders/errno-node.ts";
import { rename } from "../../io/folders/in-use-node.ts";
import { makeFolder } from "../../io/folders/make-folder-node.ts";
import { bytesOf } from "../../io/formats/bytes.ts";
import { npyHeader } from "../../io/formats/npy.ts";
import { formatCount } from "../../show.ts";
import { tidyCheckpoints } from "../checkpoint/checkpoint-folders-node.ts";
import { chunkSentences } from "../embedding/chunks.ts";
import type { Encoder } from "../embedding/encoder.ts";
import { modelFingerprint } from "../search/fingerprint.ts";

/** The name of the matrix in its folder. */
const vectorsFile = "vectors.npy";

const partialFile = `${vectorsFile}.partial`;
const recordFile = "vectors.json";

/** What a folder's vectors are: the content of `vectors.json`. */
export interface VectorsRecord {
  /** The teacher's name, for people. */
  readonly teacher: string;
  /** SHA-256 of what the vectors depend on: weights, pooler, tokenizer, length and prompt. */
  readonly teacher_sha256: string;
  /** SHA-256 of the texts in their order. */
  readonly texts_sha256: string;
  readonly texts: number;
  readonly dimension: number;
  /** Rows on the disk. */
  readonly encoded: number;
}

/** What to encode, and where to. */
export interface TeacherVectorsOptions {
  /** The teacher's name in the record and in messages. */
  readonly name: string;
  readonly texts: readonly string[];
  /** The folder to write into; made if it does not exist. */
  readonly folder: string;
  /** Replace the vectors of another teacher or of other texts; false if absent: they are refused. */
  readonly anew?: boolean;
  /** Texts that are encoded together and then written; 4,096 if absent, as in `encode`. */
  readonly window?: number;
  /** Ends the call between two batches, with the signal's reason; complete windows stay on the disk. */
  readonly signal?: AbortSignal | undefined;
  /** Called once with the rows that are on the disk already, then after each batch with the number of texts done. */
  readonly onProgress?: ((done: number) => void) | undefined;
}

/**
 * Encodes the texts into the folder, or as many of them as are missing, and returns the path of the matrix. Throws `FileError` if the folder
 * holds vectors of another teacher or of other texts, or cannot be written; and the errors of `encode`.
 */
export async function writeTeacherVectors(teacher: Encoder, options: TeacherVectorsOptions): Promise<string> {
  const { name, texts, folder, anew = false, window = chunkSentences, signal, onProgress } = options;
  const wanted: VectorsRecord = {
    teacher: name,
    teacher_sha256: await teacherDigest(teacher),
    texts_sha256: textsDigest(texts),
    texts: texts.length,
    dimension: teacher.dimension,
    encoded: 0,
  };
  await fileOperation("write", folder, () => makeFolder(folder));
  await tidyCheckpoints(folder, { anew: false });
  const begun = await begunRecord(folder, wanted, anew);
  const path = join(folder, vectorsFile);
  if (begun === null) await rm(path, { force: true });
  else if (begun.encoded === texts.length && (await isWhole(folder, begun))) {
    onProgress?.(texts.length);
    return path;
  }
  await using file = await GrowingMatrix.open(folder, begun ?? wanted);
  onProgress?.(file.rows);
  while (file.rows < texts.length) {
    const { rows } = file;
    const { data } = await teacher.encode(texts.slice(rows, rows + window), {
      signal,
      onProgress: (done) => onProgress?.(rows + done),
    });
    await file.append(data);
  }
  await file.finish();
  return path;
}

/** What the folder's record says, or null if there is none or, with `anew`, one of something else. */
async function begunRecord(folder: string, wanted: VectorsRecord, anew: boolean): Promise<VectorsRecord | null> {
  const found = await readVectorsRecord(await openFolder(folder));
  if (found === null) return null;
  const differs = (["teacher_sha256", "texts_sha256"] as const).find((field) => found[field] !== wanted[field]);
  if (differs === undefined) return found;
  if (anew) return null;
  const what =
    differs === "teacher_sha256"
      ? `vectors of another teacher: ${found.teacher}, with other weights or settings than ${wanted.teacher} now`
      : `vectors of other texts: ${formatCount(found.texts)} of them, and there are ${formatCount(wanted.texts)} now, or they have changed`;
  throw new FileError(
    `${folder} holds ${what}.`,
    "Give the same teacher and files as before, another --output_dir, or --overwrite_output_dir to encode anew.",
  );
}

/** The record in a folder, or null if it has none. Throws `FormatError` for a file that is no such record. */
export async function readVectorsRecord(folder: Folder): Promise<VectorsRecord | null> {
  if (!(await folder.has(recordFile))) return null;
  const record = await readObject(folder, recordFile);
  const isDigest = (value: unknown) => typeof value === "string" && /^[0-9a-f]{64}$/.test(value);
  const isCount = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0;
  const fits =
    typeof record.teacher === "string" &&
    [record.teacher_sha256, record.texts_sha256].every(isDigest) &&
    [record.texts, record.dimension, record.encoded].every(isCount);
  if (fits) return record as unknown as VectorsRecord;
  throw new FormatError(
    `${folder.name}/${recordFile} does not say what the vectors beside it are.`,
    "Remove the folder: the vectors are then made again.",
  );
}

const rowBytes = ({ dimension }: VectorsRecord) => 4 * dimension;
const headerOf = ({ texts, dimension }: VectorsRecord) => npyHeader([texts, dimension], "<f4");

/** Whether the complete matrix is there. */
async function isWhole(path: string, record: VectorsRecord): Promise<boolean> {
  const folder = await openFolder(path);
  return (await folder.has(vectorsFile)) && (await folder.size(vectorsFile)) === headerOf(record).length + record.texts * rowBytes(record);
}

/** SHA-256 of everything that a teacher's vectors depend on besides the texts. */
async function teacherDigest({ model, pooler, tokenizer, maxLength, normalize, texts }: Encoder): Promise<string> {
  const hash = createHash("sha256");
  hash.update(JSON.stringify([await modelFingerprint(model, pooler), maxLength, normalize, texts]));
  for (const [name, content] of [...tokenizer.files].sort(([a], [b]) => (a < b ? -1 : 1))) hash.update(JSON.stringify([name, content]));
  return hash.digest("hex");
}

/** SHA-256 of texts in their order. */
export function textsDigest(texts: readonly string[]): string {
  const hash = createHash("sha256");
  for (const text of texts) hash.update(`${JSON.stringify(text)}\n`);
  return hash.digest("hex");
}

/** The matrix while it is being written. What its record counts has been flushed to the disk before. */
class GrowingMatrix implements AsyncDisposable {
  private constructor(
    readonly folder: string,
    readonly handle: FileHandle,
    private record: VectorsRecord,
  ) {}

  /** The matrix with the rows that are safely on the disk: those that the record counts, if the file has them. */
  static async open(folder: string, begun: VectorsRecord): Promise<GrowingMatrix> {
    const path = join(folder, partialFile);
    const header = headerOf(begun);
    const handle = await fileOperation("write", path, () => open(path, constants.O_RDWR | constants.O_CREAT));
    try {
      const { size } = await fileOperation("read", path, () => handle.stat());
      const whole = Math.max(0, Math.floor((size - header.length) / rowBytes(begun)));
      const encoded = Math.min(begun.encoded, whole);
      await fileOperation("write", path, async () => {
        await handle.truncate(header.length + encoded * rowBytes(begun));
        await handle.write(header, 0, header.length, 0);
        await handle.sync();
      });
      const matrix = new GrowingMatrix(folder, handle, { ...begun, encoded });
      await matrix.#writeRecord();
      return matrix;
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Rows on the disk. */
  get rows(): number {
    return this.record.encoded;
  }

  /** Adds rows; they count once they are on the disk. */
  async append(data: Float32Array): Promise<void> {
    const path = join(this.folder, partialFile);
    const start = headerOf(this.record).length + this.rows * rowBytes(this.record);
    await fileOperation("write", path, async () => {
      const bytes = bytesOf(data);
      for (let written = 0; written < bytes.length; ) {
        const { bytesWritten } = await this.handle.write(bytes, written, bytes.length - written, start + written);
        written += bytesWritten;
      }
      await this.handle.sync();
    });
    this.record = { ...this.record, encoded: this.rows + data.length / this.record.dimension };
    await this.#writeRecord();
  }

  /** Gives the complete matrix its name. */
  async finish(): Promise<void> {
    const path = join(this.folder, vectorsFile);
    await fileOperation("write", path, () => rename(join(this.folder, partialFile), path));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.handle.close();
  }

  async #writeRecord(): Promise<void> {
    await writeFileAtomically(join(this.folder, recordFile), `${JSON.stringify(this.record, null, 2)}\n`);
  }
}
