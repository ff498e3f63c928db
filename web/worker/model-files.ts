/** The model's files in Hugging Face's layout, with a card and a report for what was trained here: as a zip, or written into a folder. */
import {
  loadingSnippets,
  modelCard,
  type NamedContent,
  reportHtml,
  type SimCSE,
  type TrainingReport,
  writableFolder,
} from "simcse-webgpu/browser";
import { filesOf, piecesIn } from "./kept-models.ts";
import type { CallContext, FileProgress, FilesRequest, Handlers } from "./protocol.ts";
import type { Session } from "./session.ts";
import { type OnPiece, piecesOf, zipOf } from "./zip.ts";

export function modelFileHandlers(session: Session): Handlers<"modelZip" | "saveModel" | "snippets"> {
  return {
    async modelZip(request, context) {
      const simcse = await session.usable(request.which);
      return zipOf(request.name, await modelFiles(session, simcse, request), progress(context, weightBytes(simcse)));
    },

    async saveModel({ folder, ...request }, context) {
      const simcse = await session.usable(request.which);
      const onPiece = progress(context, weightBytes(simcse));
      const place = writableFolder(await folder.getDirectoryHandle(request.name, { create: true }));
      for (const { name, content } of await modelFiles(session, simcse, request)) await place.write(name, counted(name, content, onPiece));
      return null;
    },

    async snippets({ which, name }) {
      const { pooler, encoder, model } = await session.usable(which);
      return loadingSnippets({ name, pooler, maxLength: encoder.maxLength, modelType: model.config.model_type });
    },
  };
}

/**
 * All files of a model. One that was not trained here has no report, and keeps its own card and, if it makes its vectors with modules of its
 * own, all files as they came.
 */
async function modelFiles(session: Session, simcse: SimCSE, { which, name }: FilesRequest): Promise<NamedContent[]> {
  if (which === "now") {
    const report = reportOf(session, simcse, name);
    return [...simcse.files(), { name: "README.md", content: modelCard(report) }, { name: "report.html", content: reportHtml(report) }];
  }
  const { folder } = session.model;
  const copy = (file: string): NamedContent => ({ name: file, content: piecesIn(folder, file) });
  if (simcse.pooler === "sentence_transformers") return (await filesOf(folder)).map(copy);
  return [...simcse.files(), ...((await folder.has("README.md")) ? [copy("README.md")] : [])];
}

/** What the card and the report say. */
function reportOf(session: Session, { pooler, encoder, model }: SimCSE, name: string): TrainingReport {
  return {
    history: [],
    arguments: {},
    pooler,
    maxLength: encoder.maxLength,
    modelType: model.config.model_type,
    adapter: model.device.name,
    ...session.record,
    name,
    folder: name,
  };
}

/** A file's content, whose pieces are reported as they pass. */
async function* counted(name: string, content: NamedContent["content"], onPiece: OnPiece): AsyncGenerator<Uint8Array> {
  for await (const bytes of piecesOf(content)) {
    yield bytes;
    onPiece(name, bytes.length);
  }
}

/** Reports progress, and stops the work when the call is stopped. */
function progress({ signal, emit }: CallContext<FileProgress>, total: number): OnPiece {
  let done = 0;
  return (file, bytes) => {
    signal.throwIfAborted();
    done += bytes;
    emit({ file, done, total });
  };
}

/** About the bytes of all files: those of the weights, which take nearly all of it. */
const weightBytes = ({ model }: SimCSE) => 4 * model.store.layout.counts.all;
