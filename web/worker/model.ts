/** Loading a model: from the page, the hub, the browser's storage, or files of the visitor's. */
import { unzipSync } from "fflate";
import {
  FileError,
  type Folder,
  FormatError,
  longestSentence,
  MemoryFolder,
  OptionError,
  openHttpFolder,
  ownLayers,
  SimCSE,
} from "simcse-webgpu/browser";
import { FilesFolder } from "./files-folder.ts";
import { bytesOf, forgetModel, keepModel, keptModel, keptModels } from "./kept-models.ts";
import { pageModel } from "./page-model.ts";
import type { CallContext, FileProgress, Handlers, ModelFacts, ModelSource, NamedFile } from "./protocol.ts";
import type { Session } from "./session.ts";

const hubAddress = "https://huggingface.co";

export function modelHandlers(session: Session): Handlers<"openDevice" | "loadModel" | "keptModels" | "forgetModel"> {
  return {
    async openDevice() {
      const { name, info, capabilities } = await session.openDevice();
      const { features, limits, software } = capabilities;
      const isNamed = [info.description, info.device, info.vendor, info.architecture].some((text) => text !== "");
      return { name: isNamed ? name : null, software, f16: features.has("shader-f16"), largestBuffer: limits.maxBufferSize };
    },

    loadModel: (source, context) => loadModel(session, source, context),

    keptModels: () => keptModels(),

    async forgetModel({ name }) {
      await forgetModel(name);
      return null;
    },
  };
}

/** Loads a model, which replaces the one before. */
export async function loadModel(session: Session, source: ModelSource, context: CallContext<FileProgress>): Promise<ModelFacts> {
  const device = await session.openDevice();
  const { name, kind, folder } = await modelFolder(source, context);
  const simcse = await loadEither((options) => SimCSE.loadFrom(device, folder, { ...options, signal: context.signal }));
  const facts = await factsOf(simcse, folder, { name, source: kind });
  session.setModel({ simcse, folder, facts });
  return facts;
}

/** Loads a model with the pooler that it names, or with the mean of its tokens if it names none, as sentence-transformers does. */
async function loadEither(load: (options: { readonly pooler?: "avg" }) => Promise<SimCSE>): Promise<SimCSE> {
  try {
    return await load({});
  } catch (error) {
    if (error instanceof OptionError && error.option === "pooler") return load({ pooler: "avg" });
    throw error;
  }
}

interface FoundModel {
  readonly name: string;
  readonly kind: ModelFacts["source"];
  readonly folder: Folder;
}

async function modelFolder(source: ModelSource, context: CallContext<FileProgress>): Promise<FoundModel> {
  const keep = { signal: context.signal, onProgress: context.emit };
  switch (source.kind) {
    case "page": {
      const { name, folder, files, version } = pageModel(context.signal);
      return {
        name,
        kind: "page",
        folder: (await keptModel(name, version)) ?? (await keepModel(name, folder, { ...keep, files, version })),
      };
    }
    case "hub": {
      const name = hubName(source.name);
      const remote = openHttpFolder(`${hubAddress}/${name}/resolve/main`, { signal: context.signal });
      return { name, kind: "hub", folder: (await keptModel(name)) ?? (await keepModel(name, remote, keep)) };
    }
    case "kept": {
      const folder = await keptModel(source.name);
      if (folder === null) throw new FileError(`${source.name} is no longer in the browser's storage.`, "Load it again.");
      return { name: source.name, kind: "kept", folder };
    }
    case "files": {
      const folder = await folderOf(source.files);
      return { name: folder.name, kind: "kept", folder: await keepModel(folder.name, folder, keep) };
    }
  }
}

/** `owner/name` from a name or an address of the hub. */
function hubName(text: string): string {
  const name = text
    .trim()
    .replace(/^https:\/\/huggingface\.co\//, "")
    .split("/")
    .slice(0, 2)
    .join("/");
  if (/^[\w.-]+(\/[\w.-]+)?$/.test(name)) return name;
  throw new OptionError(
    `"${text}" is no name of a model.`,
    "Give a name as the hub shows it, such as sentence-transformers/all-MiniLM-L6-v2.",
  );
}

/** The visitor's files as a folder whose top level holds `config.json`. */
async function folderOf(files: readonly NamedFile[]): Promise<Folder> {
  const [first] = files;
  if (first === undefined) throw new FileError("Nothing was chosen.", "Choose the folder of a model, or a zip file of one.");
  const isZip = files.length === 1 && /\.zip$/i.test(first.path);
  const [name, entries] = isZip ? [first.file.name.replace(/\.zip$/i, ""), await unpacked(first.file)] : [topOf(first.path), null];
  const paths = entries === null ? files.map(({ path }) => path) : Object.keys(entries);
  const config = paths.filter((path) => /(^|\/)config\.json$/.test(path)).sort((a, b) => a.split("/").length - b.split("/").length)[0];
  if (config === undefined) throw new FileError(`${name} holds no config.json.`, "Choose the folder of a model in Hugging Face's layout.");
  const top = config.slice(0, -"config.json".length);
  const inside = (path: string) => path.slice(top.length);
  if (entries === null) {
    return new FilesFolder(
      name,
      files.filter(({ path }) => path.startsWith(top)).map(({ path, file }) => ({ path: inside(path), file })),
    );
  }
  const kept = Object.entries(entries).filter(([path]) => path.startsWith(top) && !path.endsWith("/"));
  return new MemoryFolder(
    name,
    kept.map(([path, bytes]) => [inside(path), bytes] as const),
  );
}

const topOf = (path: string) => path.split("/").filter(Boolean)[0] ?? "model";

async function unpacked(file: File): Promise<Record<string, Uint8Array>> {
  try {
    // Not `unzip`, which starts workers of its own from addresses that the page's policy forbids; this is a worker already.
    return unzipSync(new Uint8Array(await file.arrayBuffer()));
  } catch (error) {
    throw new FormatError(`${file.name} is not a whole zip file: ${(error as Error).message}`, "It may be cut short: get it again.");
  }
}

async function factsOf(simcse: SimCSE, folder: Folder, { name, source }: Pick<ModelFacts, "name" | "source">): Promise<ModelFacts> {
  const { config, store } = simcse.model;
  return {
    name,
    source,
    layers: config.num_hidden_layers,
    ownLayers: ownLayers(config),
    hiddenSize: config.hidden_size,
    parameters: store.layout.counts.all,
    maxLength: simcse.encoder.maxLength,
    longest: longestSentence(config),
    license: await licenseOf(folder),
    bytes: await bytesOf(folder),
  };
}

/** The licence in the front matter of the model's card. */
async function licenseOf(folder: Folder): Promise<string | null> {
  if (!(await folder.has("README.md"))) return null;
  const card = new TextDecoder().decode(await folder.read("README.md"));
  const front = /^---\r?\n([\s\S]*?)\r?\n---/.exec(card)?.[1] ?? "";
  return /^license:\s*["']?([^"'\r\n]+)/m.exec(front)?.[1]?.trim() ?? null;
}
