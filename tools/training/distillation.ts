/** What `simcse distill` trains: a student made from its teacher, on the teacher's vectors. */
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { DataError, OptionError } from "../../src/errors.ts";
import { withReopenedDevice } from "../../src/gpu/reopen.ts";
import { type Folder, readObject } from "../../src/io/folder.ts";
import { openFolder, writeFileAtomically, writeFilesInto } from "../../src/io/folder-node.ts";
import { encodeNpy } from "../../src/io/formats/npy.ts";
import { elementCount } from "../../src/kernels/language/operation.ts";
import { formatCount, plural } from "../../src/show.ts";
import { readConfig } from "../../src/simcse/checkpoint/checkpoint.ts";
import { distillationSet } from "../../src/simcse/distillation/distillation-set.ts";
import { makeStudent } from "../../src/simcse/distillation/make-student.ts";
import { principalComponents, project } from "../../src/simcse/distillation/principal-components.ts";
import { readVectorsRecord, textsDigest, writeTeacherVectors } from "../../src/simcse/distillation/teacher-vectors-node.ts";
import type { Embeddings } from "../../src/simcse/embedding/embeddings.ts";
import { modelTensors } from "../../src/simcse/model/model.ts";
import { SimCSE } from "../../src/simcse/simcse-node.ts";
import { openTrainingSource, type TrainingSource } from "../../src/simcse/training/prepare-model.ts";
import { findModel } from "../cli/find-model.ts";
import { InterruptedError } from "../cli/interrupt.ts";
import { startProgress } from "../cli/progress.ts";
import { say } from "../cli/say.ts";
import { tuningFor } from "../cli/tuning.ts";
import { readVectors } from "../cli/vector-input.ts";
import { openAdapter } from "../setup/open-adapter.ts";
import { readDistinctTexts } from "./distinct-texts.ts";
import type { TrainOptions } from "./train-options.ts";
import type { OpenedTraining, TrainingKind } from "./training-inputs.ts";

export interface DistillOptions extends TrainOptions {
  readonly layers?: readonly number[];
  readonly vocab_size?: number;
  readonly embedding_size?: number;
  readonly vocab_file?: readonly string[];
  readonly drop_unused_characters?: boolean;
}

/** The file in the output folder that says what a distillation began with. */
const recordFile = "distillation.json";

/** Whether a distillation has begun in a folder. */
export const hasBegun = (output: string): boolean => existsSync(join(output, recordFile));

/** A distillation with these options. Runs with several seeds share texts, vectors and student. */
export function distillation(given: DistillOptions): TrainingKind {
  let opened: Promise<OpenedTraining> | null = null;
  return {
    open(_, { signal }) {
      opened ??= openDistillation(given, signal);
      return opened;
    },
    hints: () => [],
  };
}

async function openDistillation(given: DistillOptions, signal: AbortSignal): Promise<OpenedTraining> {
  const output = resolve(given.output_dir);
  const teacher = await findModel(given.model_name_or_path, given);
  const texts = await readDistinctTexts(given);
  const counted = await readVocabularyTexts(given);
  // Before the teacher encodes, so that options that do not fit it are refused at once.
  const source = await openStudent(teacher, given, counted ?? texts);
  await claimRecord(output, given, { texts, counted });
  const teacherVectors =
    given.target_vectors === undefined
      ? await encoded(teacher, texts, { given, output, signal })
      : await givenVectors(texts, given.target_vectors);
  const vectors = await inDimension(teacherVectors, source.config.transformer.hidden_size, output);
  return {
    source,
    async read({ maxLength }) {
      const reading = { tokenizer: source.tokenizer, maxLength, preparation: source.config.texts };
      return { set: distillationSet(texts, vectors, reading), held: null };
    },
  };
}

/** The texts that tokens are counted in, if they are not those to learn from. Throws `OptionError` if nothing is counted. */
async function readVocabularyTexts(given: DistillOptions): Promise<string[] | null> {
  const { vocab_size, vocab_file, embedding_size, drop_unused_characters } = given;
  if (drop_unused_characters && vocab_size === undefined)
    throw new OptionError(
      "--drop_unused_characters is for a smaller vocabulary, and all tokens stay.",
      "Give --vocab_size too, or leave it out.",
    );
  if (vocab_file !== undefined && vocab_size === undefined && embedding_size === undefined)
    throw new OptionError(
      "--vocab_file is to count tokens in, for a smaller vocabulary or narrower embeddings.",
      "Give --vocab_size or --embedding_size too, or leave it out.",
    );
  return vocab_file === undefined ? null : readDistinctTexts({ train_file: vocab_file });
}

/** What a run reads. */
interface RunTexts {
  readonly texts: readonly string[];
  readonly counted: readonly string[] | null;
}

/** What is said of a value of the record that no option gives. */
const otherTexts: Readonly<Record<string, string>> = {
  texts: "other texts",
  texts_sha256: "other texts",
  vocab_texts_sha256: "other texts in --vocab_file",
};

/**
 * Records what the run begins with. Throws `OptionError`, naming the difference, if the folder holds a distillation that began otherwise and
 * must not be overwritten.
 */
async function claimRecord(output: string, given: DistillOptions, { texts, counted }: RunTexts): Promise<void> {
  const { layers = null, vocab_size = null, embedding_size = null, config_name = null, target_vectors = null, model_name_or_path } = given;
  const record = {
    model_name_or_path,
    layers,
    vocab_size,
    embedding_size,
    vocab_texts_sha256: counted && textsDigest(counted),
    drop_unused_characters: given.drop_unused_characters || null,
    config_name,
    target_vectors,
    texts: texts.length,
    texts_sha256: textsDigest(texts),
  };
  if (hasBegun(output) && !given.overwrite_output_dir) {
    const began = await readObject(await openFolder(output), recordFile);
    const shown = (value: unknown) => (value === null ? "none" : Array.isArray(value) ? value.join(",") : String(value));
    for (const [name, value] of Object.entries(record)) {
      if (JSON.stringify(began[name] ?? null) === JSON.stringify(value)) continue;
      const what = otherTexts[name] ?? `--${name} ${shown(began[name])}, and it is ${shown(value)} now`;
      throw new OptionError(
        `The distillation in ${given.output_dir} began with ${what}.`,
        "Give the options and files that it began with, another --output_dir, or --overwrite_output_dir to begin anew.",
      );
    }
  }
  await writeFileAtomically(join(output, recordFile), `${JSON.stringify(record, null, 2)}\n`);
}

interface Encoding {
  readonly given: DistillOptions;
  readonly output: string;
  readonly signal: AbortSignal;
}

/** The teacher's vectors, from the file in the output folder as far as they are there. */
async function encoded(teacher: Folder, texts: readonly string[], { given, output, signal }: Encoding): Promise<Embeddings> {
  const folder = join(output, "teacher");
  let done = 0;
  try {
    const path = await withReopenedDevice({
      open: () => openAdapter({ adapter: given.adapter }),
      onLoss: (error) => say(`${(error as Error).message} Opening it again, to go on with the teacher's vectors.`),
      async run(device, attempt) {
        const { pooler, sentenceHead } = await readConfig(teacher);
        await using simcse = await SimCSE.loadFrom(device, teacher, {
          pooler: pooler === null && sentenceHead === null ? given.pooler_type : undefined,
          tuning: await tuningFor(device, given),
        });
        say(`teacher: ${simcse.name}, vectors of ${simcse.dimension} numbers (${simcse.pooler}), on ${device.name}`);
        const progress = startEncoding(texts.length);
        try {
          return await writeTeacherVectors(simcse.encoder, {
            name: simcse.name,
            texts,
            folder,
            anew: given.overwrite_output_dir === true,
            signal,
            onProgress: (count) => {
              if (count > done) attempt.progressed();
              done = count;
              progress.update(count);
            },
          });
        } finally {
          progress.stop();
        }
      },
    });
    return await readVectors(path);
  } catch (error) {
    if (!signal.aborted) throw error;
    say(`stopped while the teacher encodes; to go on, give the same command`);
    throw new InterruptedError("interrupted");
  }
}

/** Progress of encoding, whose first update says what was there before. */
function startEncoding(total: number) {
  let before: number | null = null;
  let began = 0;
  let progress: ReturnType<typeof startProgress> | null = null;
  const rate = (done: number) => done / Math.max((performance.now() - began) / 1000, 1e-3);
  return {
    update(done: number): void {
      if (before === null) {
        before = done;
        began = performance.now();
        if (done > 0) say(`${formatCount(done)} of the teacher's ${formatCount(total)} vectors are there`);
        if (done < total) progress = startProgress(total - done, "teacher's vectors");
      } else progress?.update(done - before, `${rate(done - before).toFixed(0)} sentences/s`);
    },
    stop(): void {
      progress?.stop();
      if (before !== null && before < total) say(`the teacher has encoded for ${((performance.now() - began) / 1000).toFixed(1)} s`);
    },
  };
}

/** The vectors in a file, one for each text. Throws `DataError` for another number of rows, or vectors that belong to other texts. */
async function givenVectors(texts: readonly string[], path: string): Promise<Embeddings> {
  const vectors = await readVectors(path);
  if (vectors.length !== texts.length) {
    throw new DataError(
      `${path} has ${formatCount(vectors.length)} rows for ${formatCount(texts.length)} different texts.`,
      "Give one row for each text, in the order in which they first occur.",
    );
  }
  const record = await readVectorsRecord(await openFolder(dirname(resolve(path))));
  if (record !== null && record.texts_sha256 !== textsDigest(texts)) {
    throw new DataError(
      `${path} holds the vectors of other texts, as vectors.json beside it says.`,
      "Give the files that it was made from, in the same order.",
    );
  }
  return vectors;
}

/** Vectors longer than the student's in their principal components; the projection is kept beside them. */
async function inDimension(vectors: Embeddings, dimension: number, output: string): Promise<Embeddings> {
  if (dimension >= vectors.dimension) return vectors;
  const projection = await principalComponents(vectors, dimension);
  const { matrix, from, to, kept } = projection;
  await writeFilesInto(join(output, "teacher"), [{ name: "projection.npy", content: encodeNpy([from, to], matrix) }]);
  say(
    `targets: the first ${to} principal components of the teacher's ${from}, which keep ${(100 * kept).toFixed(1)}% of their squared length (teacher/projection.npy)`,
  );
  return project(vectors, projection);
}

/** The student, whose tokens are counted in `texts`. */
async function openStudent(teacher: Folder, given: DistillOptions, texts: readonly string[]): Promise<TrainingSource> {
  const { layers, config_name, pooler_type: pooler } = given;
  const student = await makeStudent(teacher, {
    layers,
    vocabSize: given.vocab_size,
    embeddingSize: given.embedding_size,
    texts,
    dropUnusedCharacters: given.drop_unused_characters,
    config: config_name === undefined ? undefined : await findModel(config_name, given),
    pooler,
  });
  const source = await openTrainingSource(student, { pooler });
  const { transformer: model } = source.config;
  const tensors = modelTensors(model, { mlp: (pooler ?? source.config.pooler) === "cls" });
  const parameters = [...tensors.values()].reduce((sum, { shape }) => sum + elementCount(shape), 0);
  say(
    `student: ${plural(model.num_hidden_layers, "layer")} of ${model.hidden_size}, ${formatCount(model.vocab_size)} tokens, ${(parameters / 1e6).toFixed(1)} M parameters, ${((2 * parameters) / 1e6).toFixed(1)} MB in f16`,
  );
  return source;
}
