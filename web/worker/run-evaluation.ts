/** What is looked at while a run goes on: the score on held-out examples, the map, and the visitor's queries by both models. */
import {
  alignment,
  type Device,
  type Encode,
  type EvaluationSet,
  type Example,
  evaluateSet,
  type SimCSE,
  setOfExamples,
  uniformity,
} from "simcse-webgpu/browser";
import type { LoadedData, ScoredPairs } from "./loaded-data.ts";
import type { Comparison, Evaluation, Match, RunEvent } from "./protocol.ts";
import { SentenceMapper } from "./sentence-map.ts";
import { belonging, mostTexts, type ShownTexts, shownTexts } from "./shown-texts.ts";

/** Texts of which alignment and uniformity are computed: the time grows with their square. */
const MOST_MEASURED = 400;
/** Nearest sentences of a query. */
const SHOWN_MATCHES = 5;

/** Vectors of unit length by their text. */
type Vectors = ReadonlyMap<string, Float32Array>;

export class RunEvaluation {
  readonly #sets: readonly EvaluationSet[];
  readonly #pairs: readonly Example[];
  readonly shown: ShownTexts;
  readonly #mapper: SentenceMapper;
  /** The searched texts' vectors by the model as it was, and as it is. */
  #before: Vectors | null = null;
  #now: Vectors | null = null;
  /** Whether the page has not been told yet which sentences are on the map. */
  #isFirst = true;

  private constructor(
    readonly device: Device,
    data: LoadedData,
    scoredPairs: ScoredPairs | null,
    texts: { readonly shown: ShownTexts; readonly mapper: SentenceMapper },
  ) {
    this.shown = texts.shown;
    this.#mapper = texts.mapper;
    this.#sets = setsOf(data, scoredPairs, this.shown.searched);
    const paired = [...data.held, ...(data.held.length === 0 ? data.training : []), ...(scoredPairs?.examples ?? [])];
    this.#pairs = data.kind === "sentences" && scoredPairs === null ? [] : paired.slice(0, MOST_MEASURED / 2);
  }

  static async create(base: SimCSE, data: LoadedData, scoredPairs: ScoredPairs | null): Promise<RunEvaluation> {
    const { device } = base.model;
    const shown = shownTexts(data, mostTexts(device.capabilities.software));
    const mapper = await SentenceMapper.create(device, shown.mapped.length, base.dimension);
    return new RunEvaluation(device, data, scoredPairs, { shown, mapper });
  }

  /** Evaluates the model that `encode` belongs to, and reports its map. */
  async evaluate(step: number, encode: Encode, emit: (event: RunEvent) => void): Promise<Evaluation> {
    const vectors = new Map<string, Float32Array>();
    const cached = caching(encode, vectors);
    const metrics: Record<string, number> = {};
    for (const set of this.#sets) Object.assign(metrics, chosenMetrics(await evaluateSet(set, { encode: cached, device: this.device })));
    const measured = this.#pairs.length > 0 ? this.#pairs.flatMap(({ texts }) => texts.slice(0, 2)) : this.shown.mapped;
    await cached([...measured, ...this.shown.mapped, ...this.shown.searched]);
    const of = (text: string) => vectors.get(text)!;
    const pairs = belonging(this.#pairs).map(({ texts: [a, b] }) => [of(a!), of(b!)] as const);
    const evaluation: Evaluation = {
      step,
      metrics,
      alignment: pairs.length > 0 ? alignment(pairs) : null,
      uniformity: uniformity([...new Set(measured)].map(of)),
    };
    this.#now = pick(vectors, this.shown.searched);
    emit({ kind: "evaluation", evaluation });
    const points = await this.#mapper.map(joined(this.shown.mapped.map(of)));
    emit({ kind: "map", map: { step, points, ...(this.#isFirst && { texts: this.shown.mapped, links: this.shown.links }) } });
    this.#isFirst = false;
    return evaluation;
  }

  /** The nearest of the searched texts to each query. */
  async compare(queries: readonly string[], base: SimCSE, trained: SimCSE | null): Promise<Comparison[]> {
    if (queries.length === 0) return [];
    this.#before ??= await vectorsOf(base, this.shown.searched);
    const before = await vectorsOf(base, queries);
    const now = trained === null || this.#now === null ? null : await vectorsOf(trained, queries);
    return queries.map((query) => ({
      query,
      before: nearest(before.get(query)!, this.#before!),
      now: now === null ? null : nearest(now.get(query)!, this.#now!),
    }));
  }

  /** Encodes the searched texts with the trained model, where no evaluation of it has done so. */
  async catchUp(trained: SimCSE): Promise<void> {
    this.#now ??= await vectorsOf(trained, this.shown.searched);
  }

  /** Forgets the trained model's vectors, because that model is gone; what follows belongs to another stretch. */
  forgetNow(): void {
    this.#now = null;
    this.#isFirst = true;
  }

  close(): void {
    this.#mapper.close();
  }
}

/** Scored pairs of the visitor's own come first, then what was held out. */
function setsOf({ kind, held, facts }: LoadedData, scoredPairs: ScoredPairs | null, searched: readonly string[]): EvaluationSet[] {
  const own =
    scoredPairs === null ? [] : [setOfExamples({ name: "own", kind: "scored pairs", origin: scoredPairs.name }, scoredPairs.examples)];
  if (held.length === 0 || kind === "sentences" || kind === "labelled texts") return own;
  // A triplet's question has to find its answer among all answers, which says more than that it is nearer than one other text.
  const asPairs = kind === "triplets" || kind === "pairs";
  const examples = asPairs ? held.map(({ texts }) => ({ texts: texts.slice(0, 2) })) : held;
  return [...own, setOfExamples({ name: "held", kind: asPairs ? "pairs" : kind, origin: facts.name }, examples, asPairs ? searched : [])];
}

/** The metrics that a visitor is shown, the main one first. */
const shownMetrics = ["spearman", "ap", "accuracy@1", "mrr@10"] as const;

function chosenMetrics({ metrics }: { readonly metrics: Readonly<Record<string, number>> }): Record<string, number> {
  return Object.fromEntries(shownMetrics.flatMap((name) => (metrics[name] === undefined ? [] : [[name, metrics[name]]])));
}

/** Encodes a text once and keeps its vector. */
function caching(encode: Encode, vectors: Map<string, Float32Array>): Encode {
  return async (texts) => {
    const missing = [...new Set(texts)].filter((text) => !vectors.has(text));
    if (missing.length > 0) {
      const data = await encode(missing);
      const dimension = data.length / missing.length;
      for (const [at, text] of missing.entries()) vectors.set(text, data.slice(at * dimension, (at + 1) * dimension));
    }
    return joined(texts.map((text) => vectors.get(text)!));
  };
}

async function vectorsOf(model: SimCSE, texts: readonly string[]): Promise<Vectors> {
  const { data, dimension } = await model.encode(texts);
  return new Map(texts.map((text, at) => [text, data.subarray(at * dimension, (at + 1) * dimension)]));
}

const pick = (vectors: Vectors, texts: readonly string[]): Vectors => new Map(texts.map((text) => [text, vectors.get(text)!]));

function joined(vectors: readonly Float32Array[]): Float32Array {
  const dimension = vectors[0]?.length ?? 0;
  const all = new Float32Array(vectors.length * dimension);
  for (const [at, vector] of vectors.entries()) all.set(vector, at * dimension);
  return all;
}

function nearest(query: Float32Array, vectors: Vectors): Match[] {
  const scored = [...vectors].map(([text, vector]) => ({ text, score: dot(query, vector) }));
  return scored.sort((a, b) => b.score - a.score).slice(0, SHOWN_MATCHES);
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
