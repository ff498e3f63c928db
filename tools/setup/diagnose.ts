/** What an adapter means for this package: a table of checks. Each says what works, what is slow or impossible, and how to fix it. */
import type { Capabilities } from "../../src/gpu/capabilities.ts";

export interface AdapterFacts {
  readonly name: string;
  readonly architecture: string;
  readonly capabilities: Capabilities;
  /** Measured on a product of 512 × 512 matrices, 10⁹ operations per second. */
  readonly gigaflops: number;
  /** The variant that multiplied them. */
  readonly matmul: string;
  /** What runs the program: Node, Bun or Deno. */
  readonly runtime: { readonly name: string; readonly version: string };
}

export type Verdict = "good" | "slow" | "missing";

export interface Diagnosis {
  readonly what: string;
  readonly verdict: Verdict;
  readonly found: string;
  /** The remedy; null if none is needed. */
  readonly fix: string | null;
}

type Check = (facts: AdapterFacts) => Diagnosis;

/** Word embeddings are the largest tensors: f32 [vocabulary, hidden]. */
const embeddings = [
  { model: "BERT base", bytes: 30_522 * 768 * 4 },
  { model: "BERT large", bytes: 30_522 * 1024 * 4 },
  { model: "RoBERTa base", bytes: 50_265 * 768 * 4 },
  { model: "RoBERTa large", bytes: 50_265 * 1024 * 4 },
];

/** Below this many 10⁹ operations per second, BERT-base takes more than a second for a batch of 64 short sentences. */
const fastGigaflops = 300;

const namesOf = (models: typeof embeddings) => models.map(({ model }) => model).join(", ");

const megabytes = (bytes: number) => `${Math.round(bytes / 1e6).toLocaleString("en")} MB`;

const checks: readonly Check[] = [
  ({ name, capabilities: { software } }) => ({
    what: "adapter",
    verdict: software ? "slow" : "good",
    found: `${name}, ${software ? "which computes on the CPU" : "a GPU"}`,
    fix: software ? "Where there is a GPU, install its Vulkan driver; `--adapter NAME` chooses among several." : null,
  }),
  ({ gigaflops, matmul }) => ({
    what: "speed",
    verdict: gigaflops < fastGigaflops ? "slow" : "good",
    found: `${gigaflops.toFixed(1)} GFLOP/s in a product of 512 × 512 matrices (${matmul})`,
    fix: gigaflops < fastGigaflops ? "Small models (hidden 128 to 384) train and encode well here; run BERT base on a GPU." : null,
  }),
  ({ architecture, capabilities: { software } }) => ({
    what: "software driver",
    verdict: architecture === "swiftshader" ? "slow" : "good",
    found: !software ? "not in use" : architecture === "swiftshader" ? "SwiftShader, a third to a tenth as fast as lavapipe" : architecture,
    fix: architecture === "swiftshader" ? "Install Mesa 23 or later: `npx simcse setup` does it on Debian and Ubuntu." : null,
  }),
  ({ capabilities: { software, subgroupSize, features } }) => ({
    what: "subgroups",
    verdict: software && subgroupSize === null ? "slow" : "good",
    found: subgroupSize !== null ? `${subgroupSize} lanes` : features.has("subgroups") ? "of varying size" : "none",
    fix:
      software && subgroupSize === null ? "Matrix products take the variant for GPUs, several times slower on a CPU: update Mesa." : null,
  }),
  ({ capabilities: { features } }) => ({
    what: "shader-f16",
    verdict: "good",
    found: features.has("shader-f16") ? "yes" : "no; everything runs in f32, and indexes keep halves packed in words all the same",
    fix: null,
  }),
  ({ capabilities: { limits } }) => {
    const tooLarge = embeddings.filter(({ bytes }) => bytes > limits.maxBufferSize);
    return {
      what: "largest tensor",
      verdict: tooLarge.length > 0 ? "missing" : "good",
      found: `${megabytes(limits.maxBufferSize)} (maxBufferSize)${tooLarge.length > 0 ? `: too little for ${namesOf(tooLarge)}` : ", enough for BERT and RoBERTa, base and large"}`,
      fix: tooLarge.length > 0 ? "Use another adapter, or a model with a smaller vocabulary." : null,
    };
  },
  ({ capabilities: { limits } }) => {
    const inWindows = embeddings.filter(({ bytes }) => bytes > limits.maxStorageBufferBindingSize);
    return {
      what: "bound at once",
      verdict: "good",
      found: `${megabytes(limits.maxStorageBufferBindingSize)} (maxStorageBufferBindingSize)${inWindows.length > 0 ? `; the words of ${namesOf(inWindows)} are bound in windows` : ""}`,
      fix: null,
    };
  },
  ({ runtime: { name, version } }) => {
    const old = name === "Node" && Number(version.replace(/^v/, "").split(".")[0]) < 20;
    return { what: name, verdict: old ? "missing" : "good", found: version, fix: old ? "Install Node 20 or later." : null };
  },
];

export function diagnose(facts: AdapterFacts): Diagnosis[] {
  return checks.map((check) => check(facts));
}
