/** docs/parity.md: the errors that parity.test.ts measures, as a page of Markdown. */
import type { GoldenCase, Kind } from "./golden.ts";

export const precisions = ["f32", "f16"] as const;
export type Precision = (typeof precisions)[number];

/** What each error may be. */
export const bounds: Readonly<Record<Precision, number>> = { f32: 1e-4, f16: 2e-2 };

export interface Errors {
  /** |L − L*| / |L*|. */
  readonly loss: number;
  /** ‖g − g*‖ / ‖g*‖ of all parameters together. */
  readonly gradient: number;
  /** The largest ‖g − g*‖ / ‖g*‖ that a parameter has by itself. */
  readonly worst: number;
}

export interface Row {
  readonly kind: Kind;
  /** Of the golden case. */
  readonly name: string;
  readonly golden: GoldenCase;
  /** Run with GradCache, this many examples at a time. */
  readonly chunk?: number;
}

export interface Line {
  readonly row: Row;
  readonly errors: Readonly<Record<Precision, Errors>>;
}

/** Losses are not distinguished below this: a single number that is right to the last bits of an f32 is so by chance. */
const leastLossError = "1e-6";

/** A number of the page stays valid while the measurement is within this factor of it, so that a new driver version need not change the page. */
const slack = 2;

const models: Readonly<Record<Kind, string>> = { bert: "BERT", roberta: "RoBERTa" };

const header = [
  [
    "model",
    "step",
    "pooler",
    "f32: loss",
    "gradient",
    "worst parameter",
    "PyTorch in f32: loss",
    "gradient",
    "f16: loss",
    "gradient",
    "worst parameter",
  ],
  ["---", "---", "---", ...Array.from({ length: 8 }, () => "---:")],
];

/** Columns that say what a row is. */
const labelled = 3;

/** The model, the step and the pooler of a row. */
export function labelsOf(row: Row): string[] {
  return [models[row.kind], stepOf(row), row.golden.pooler ?? ""];
}

/** The page that says what was measured; of the `old` one every number that still stands. */
export function parityPage(lines: readonly Line[], old: string): string {
  const stated = statedNumbers(old);
  const table = lines.map(({ row, errors: { f32, f16 } }) => {
    const { golden } = row;
    const label = labelsOf(row);
    const numbers = [...cells(f32), ...cells(golden.torch_float32), ...cells(f16)];
    const before = stated.get(label.join());
    return [...label, ...numbers.map((number, i) => (stands(before?.[i], number) ? before![i]! : number))];
  });
  return `${introduction}\n${[...header, ...table].map((row) => `| ${row.join(" | ")} |`).join("\n")}\n`;
}

function cells({ loss, ...gradients }: Partial<Errors> & Pick<Errors, "loss">): string[] {
  return [loss < Number(leastLossError) ? `≤ ${leastLossError}` : format(loss), ...Object.values(gradients).map(format)];
}

const format = (error: number) => error.toExponential(1);

const numberIn = (cell: string) => Number(cell.replace("≤", ""));

function stands(before: string | undefined, now: string): boolean {
  if (before === undefined) return false;
  const ratio = numberIn(before) / numberIn(now);
  return ratio <= slack && ratio >= 1 / slack;
}

/** The numbers of a page as they stand there, by the labels of their row. */
function statedNumbers(page: string): ReadonlyMap<string, readonly string[]> {
  const rows = page
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .map((line) =>
      line
        .slice(1, -1)
        .split("|")
        .map((cell) => cell.trim()),
    );
  return new Map(rows.map((row) => [row.slice(0, labelled).join(), row.slice(labelled)]));
}

function stepOf({ golden: { views, hard_negative_weight, mlm }, chunk }: Row): string {
  const contrast =
    views.length === 3
      ? `hard negatives, weight ${hard_negative_weight}`
      : views.length === 1
        ? "masked words alone (`pretrain`)"
        : views[0] === views[1]
          ? "unsupervised"
          : "pairs";
  const masked = mlm && views.length > 1 ? `, masked words beside (\`--do_mlm\`), weight ${mlm.weight}` : "";
  return `${contrast}${masked}${chunk === undefined ? "" : ", GradCache"}`;
}

const introduction = `# Parity with PyTorch

One training step of a tiny BERT and a tiny RoBERTa, whose dropout is 0, beside PyTorch's in float64 on the same weights and the same batch: the relative error of the
loss, |L − L\\*| / |L\\*|, and of the gradient, ‖g − g\\*‖ / ‖g\\*‖, over all parameters together and of the one that has the largest. The bound of each of them is
${bounds.f32.toExponential()} in f32 and ${bounds.f16.toExponential()} in f16.

- f16 is mixed precision as \`--fp16\` trains: activations and matrices in halves. The gradient is divided by the loss scale.
- GradCache embeds the batch in two chunks; PyTorch's step is that of the whole batch.
- The gradient of the keys' biases is 0, because a softmax does not see a shift of all its scores. Their error is relative to the gradient of the keys' matrix.

\`test/golden/parity.test.ts\` measures this, with the steps that the trainer runs, and PyTorch's side comes from \`test/golden/bert.py\`. On every device the test fails where an error passes
its bound; on lavapipe of Mesa 25, where the table was measured, also where a number is no longer within a factor of ${slack}. It is written anew by

    npx vitest run --project full test/golden/parity.test.ts -u
`;
