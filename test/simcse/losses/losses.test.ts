/** Every loss of embeddings and its gradient beside sentence-transformers' in float64 (test/golden/losses.py). */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { gradient } from "../../../src/autograd/gradient.ts";
import { f32 } from "../../../src/kernels/language/operation.ts";
import { contrastive } from "../../../src/simcse/losses/contrastive.ts";
import { cosent } from "../../../src/simcse/losses/cosent.ts";
import { cosine } from "../../../src/simcse/losses/cosine.ts";
import { distill } from "../../../src/simcse/losses/distill.ts";
import { infoNce } from "../../../src/simcse/losses/infonce.ts";
import type { Loss } from "../../../src/simcse/losses/loss.ts";
import { matryoshka } from "../../../src/simcse/losses/matryoshka.ts";
import { openTestDevice } from "../../device.ts";
import { expectClose } from "../../kernels/close.ts";
import { build, execute, tensor } from "../../kernels/run.ts";
import { uniform } from "../../uniform.ts";

const golden = JSON.parse(readFileSync(new URL("../../golden/losses.json", import.meta.url), "utf8")) as {
  readonly examples: number;
  readonly dimension: number;
  readonly scores: readonly number[];
  readonly labels: readonly number[];
  readonly matryoshka: readonly number[];
  readonly cases: Readonly<Record<string, { readonly loss: number; readonly gradient: readonly number[] }>>;
};

const device = await openTestDevice();
const { examples: count, dimension } = golden;

const losses: Readonly<Record<string, Loss>> = {
  infonce: infoNce({ temperature: 0.05 }),
  symmetric: infoNce({ temperature: 0.05, symmetric: true }),
  cosent,
  cosine,
  contrastive,
  distill: distill({ dimension }),
  "distill with similarities": distill({ dimension, similarityWeight: 10 }),
};

const targetsOf = ({ target }: Loss) =>
  target && { score: golden.scores, label: golden.labels, vector: uniform(72, count * dimension) }[target.kind];

/** The loss and its gradient, with room for more examples than there are. */
async function measure(loss: Loss) {
  const views = loss.views[0]!;
  const room = count + 3;
  const rows = new Float32Array(views * room * dimension).fill(Number.NaN);
  rows.set(uniform(71, views * count * dimension));
  const embeddings = tensor(device, [views * room, dimension], rows, "embeddings");
  const program = await build(device, (tape) => {
    const examples = tape.extent("examples", room);
    const targets = loss.target ? tape.input("targets", f32(examples, loss.target.width)) : null;
    const value = loss.record(tape, tape.use(embeddings), { examples, views, targets });
    return { value, dEmbeddings: gradient(tape, value, [embeddings])[0]! };
  });
  const targets = targetsOf(loss);
  const found = await execute(program, { live: { examples: count }, ...(targets && { inputs: { targets: Float32Array.from(targets) } }) });
  program.close();
  embeddings.window.buffer.destroy();
  return found;
}

/** Exponents reach 40, and exp of such a number is within 80 units in the last place. */
const c = 200;

it.each(Object.keys(golden.cases))("%s", async (name) => {
  const [kind, form] = name.split(", ") as [string, string];
  const loss = form === "matryoshka" ? matryoshka(losses[kind]!, golden.matryoshka) : losses[kind]!;
  const { value, dEmbeddings } = await measure(loss);
  const { loss: expected, gradient: expectedGradient } = golden.cases[name]!;
  expectClose(value!, [expected], { c });
  expectClose(dEmbeddings!, expectedGradient, { c });
  expect(loss.couples).toBe(/infonce|symmetric|cosent|similarities/.test(kind));
});
