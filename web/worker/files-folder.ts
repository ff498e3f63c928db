/** Files that the visitor dropped or chose, as a folder: read by range, never copied. */
import { FileError, type Folder } from "simcse-webgpu/browser";
import type { NamedFile } from "./protocol.ts";

export class FilesFolder implements Folder {
  readonly #files: ReadonlyMap<string, File>;

  constructor(
    readonly name: string,
    files: Iterable<NamedFile>,
  ) {
    this.#files = new Map([...files].map(({ path, file }) => [path, file]));
  }

  /** The paths of all files. */
  get paths(): string[] {
    return [...this.#files.keys()];
  }

  async has(path: string): Promise<boolean> {
    return this.#files.has(path);
  }

  async size(path: string): Promise<number> {
    return this.#file(path).size;
  }

  async read(path: string, start = 0, end?: number): Promise<Uint8Array> {
    const file = this.#file(path);
    if (end !== undefined && end > file.size)
      throw new FileError(
        `${path} holds ${file.size} bytes, bytes ${start} to ${end} were asked for.`,
        "The file may be cut short: get it again.",
      );
    return new Uint8Array(await file.slice(start, end ?? file.size).arrayBuffer());
  }

  #file(path: string): File {
    const file = this.#files.get(path);
    if (file === undefined) throw new FileError(`${this.name} holds no ${path}.`, "Choose the whole folder of the model.");
    return file;
  }
}
