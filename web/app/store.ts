/**
 * The state of the app: one signal per thing that the visitor sees. Sections read it and act through `perform`, which keeps track of what is
 * going on and of what went wrong.
 */
import { computed, signal } from "@preact/signals";
import { EngineError, startEngine } from "../worker/client.ts";
import { pageFault } from "../worker/page-fault.ts";
import type {
  Comparison,
  DataFacts,
  DeviceFacts,
  Evaluation,
  Failure,
  IndexFacts,
  KeptModel,
  ModelFacts,
  PlanFacts,
  RunSettings,
  RunSummary,
  SavedIndex,
  SavedRun,
  ScoredPairsFacts,
  SentenceMap,
  StepPoint,
  TablePreview,
  Timing,
} from "../worker/protocol.ts";

/** The five steps of the page, in order. */
export const sections = ["model", "data", "plan", "train", "use"] as const;

export type SectionName = (typeof sections)[number];

/** The engine in its worker. */
export const engine = startEngine();

export const device = signal<DeviceFacts | null>(null);

/** 1. The loaded model, and those that the browser keeps. */
export const model = signal<ModelFacts | null>(null);
export const keptModels = signal<readonly KeptModel[]>([]);

/** 2. The text: its beginning, and all of it once it was read. */
export const preview = signal<TablePreview | null>(null);
export const data = signal<DataFacts | null>(null);
export const scoredPairs = signal<ScoredPairsFacts | null>(null);

/** 3. The settings that the visitor changed, and what they lead to. */
export const changedSettings = signal<RunSettings>({});
export const plan = signal<PlanFacts | null>(null);
export const timing = signal<Timing | null>(null);

/** 4. The run. */
export interface RunState {
  readonly status: "running" | "paused" | "finished";
  /** What is being done, if it is not a step. */
  readonly stage: string;
  readonly step: number;
  readonly steps: number;
  readonly sentencesPerSecond: number | null;
  readonly secondsLeft: number | null;
  readonly points: readonly StepPoint[];
  readonly evaluations: readonly Evaluation[];
  readonly savedStep: number | null;
  /** What happened on the way that the visitor should know. */
  readonly notice: string | null;
}

export const run = signal<RunState | null>(null);
export const savedRun = signal<SavedRun | null>(null);
export const map = signal<SentenceMap | null>(null);
/** The sentences on the map, and which of them belong together. */
export const mapTexts = signal<{ readonly texts: readonly string[]; readonly links: Uint32Array } | null>(null);
export const queries = signal<readonly string[]>([]);
export const comparisons = signal<readonly Comparison[]>([]);

/** 5. What came out: how the run ended, and the index to search. */
export const result = signal<RunSummary | null>(null);
export const index = signal<IndexFacts | null>(null);
/** The index that an earlier visit left. */
export const savedIndex = signal<SavedIndex | null>(null);

/** What each step makes, in the order of the steps: what comes after depends on it. */
const made = {
  model: [model, preview],
  data: [data, plan, timing],
  train: [run, map, mapTexts, result, index],
} as const;

/** Forgets what a step has made, and what depends on that. */
export function forgetFrom(step: keyof typeof made): void {
  const steps = Object.keys(made) as (keyof typeof made)[];
  for (const later of steps.slice(steps.indexOf(step))) for (const signal of made[later]) signal.value = null;
  if (step === "model") changedSettings.value = {};
  if (step !== "train") comparisons.value = [];
}

/** Something that takes a while. */
export interface Activity {
  readonly text: string;
  /** 0 to 1; null where the end is not known. */
  readonly progress: number | null;
  readonly stop: () => void;
}

interface ActivityIn {
  readonly section: SectionName;
  readonly activity: Activity;
  /** Whether nothing else can be started meanwhile. */
  readonly blocks: boolean;
}

/** What goes on in the sections, the newest last: a question may be asked while a run goes on. */
const activities = signal<readonly ActivityIn[]>([]);

const failures = Object.fromEntries(sections.map((name) => [name, signal<Failure | null>(null)])) as Record<
  SectionName,
  ReturnType<typeof signal<Failure | null>>
>;

/** What a section is doing; null for nothing. */
export const activityOf = (section: SectionName) => activities.value.findLast((one) => one.section === section)?.activity ?? null;
/** What went wrong in a section last; null if nothing did. */
export const failureIn = (section: SectionName) => failures[section].value ?? null;
/** Whether something goes on that has to end before anything else can be started. */
export const isBusy = computed(() => activities.value.some(({ blocks }) => blocks));

/** What work is given: its signal, and a way to say how far it is. */
export interface Work {
  readonly signal: AbortSignal;
  readonly say: (text: string, progress?: number | null) => void;
}

/**
 * Does something in a section: shows that it goes on and how far it is, and what went wrong. Resolves to undefined if it was stopped or
 * failed. What takes only a moment need not block: what is disabled loses the keyboard's focus.
 */
export async function perform<T>(
  section: SectionName,
  text: string,
  work: (work: Work) => Promise<T>,
  { blocks = true } = {},
): Promise<T | undefined> {
  const controller = new AbortController();
  const stop = () => controller.abort();
  let own: Activity | null = null;
  const withoutOwn = () => activities.value.filter(({ activity }) => activity !== own);
  const say: Work["say"] = (text, progress = null) => {
    const others = withoutOwn();
    own = { text, progress, stop };
    activities.value = [...others, { section, activity: own, blocks }];
  };
  failures[section].value = null;
  say(text);
  try {
    return await work({ signal: controller.signal, say });
  } catch (error) {
    const failure = failureOf(error);
    if (failure.name !== "AbortError") failures[section].value = failure;
    return undefined;
  } finally {
    activities.value = withoutOwn();
  }
}

const failureOf = (error: unknown): Failure => (error instanceof EngineError ? error : pageFault(error));
