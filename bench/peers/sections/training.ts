/** The training step: first checks that all peers compute the same losses, without dropout; then times a step with dropout. */
import { markdown } from "../../measure.ts";
import { alternate, contest, type Entrant, type Surroundings } from "../contest.ts";
import { goalText, memoryGoal, ratio, trainingGoals } from "../goals.ts";
import type { GpuCalls } from "../peer.ts";
import { ours, peers, pytorch } from "../peers.ts";
import { batchSize, config, dropout, tokensPerSentence } from "../work.ts";
import type { Disagreements } from "./agreement.ts";
import { callCells, grouped, megabytes } from "./cells.ts";

const trainers = peers.filter(({ does }) => does.includes("train"));

const comparedSteps = 4;
/** Relative tolerance for the loss before any update: a few roundings of f32. */
const firstTolerance = 1e-5;
/**
 * Relative tolerance for losses after updates. Adam divides a gradient by its own size, so that roundings of small gradients become whole updates; and this
 * package adds epsilon as transformers' AdamW does, before the correction of the second moment, which is 1e-4 of the loss here.
 */
const laterTolerance = 2e-3;

/** Warm-up steps, which compile and allocate persistent state. */
const warmUpSteps = 2;

export async function trainingSection(surroundings: Surroundings, disagreements: Disagreements): Promise<string> {
  const { hidden_size, num_hidden_layers, num_attention_heads, intermediate_size, vocab_size } = config;
  return [
    "## Training step",
    "",
    `BERT of ${num_hidden_layers} layers, hidden ${hidden_size}, ${num_attention_heads} heads, intermediate ${intermediate_size}, vocabulary ${grouped(vocab_size)}; 2 × ${batchSize} sentences × ${tokensPerSentence} tokens; tanh pooler on [CLS]; InfoNCE; Adam on all parameters.`,
    "",
    await agreement(surroundings, disagreements),
    "",
    await timing(surroundings),
  ].join("\n");
}

async function agreement(surroundings: Surroundings, disagreements: Disagreements): Promise<string> {
  surroundings.log("training: losses");
  const losses = new Map<string, readonly number[] | string>();
  for (const peer of trainers) {
    // One at a time: nothing is timed, and each peer frees its memory for the next.
    await contest(
      [peer],
      surroundings,
      async (entrant) => {
        await entrant.attempt((remote) => remote.ask("prepareTraining", 0));
      },
      async ([entrant]) => {
        const list: number[] = [];
        for (let step = 0; step < comparedSteps; step++) {
          const answer = await entrant!.attempt((remote) => remote.ask("trainingStep"));
          if (answer !== null) list.push(answer.loss);
        }
        losses.set(peer.name, entrant!.failure ?? list);
      },
    );
  }
  const [reference, expected] = [pytorch.name, ours.name]
    .map((name) => [name, losses.get(name)!] as const)
    .find(([, list]) => typeof list !== "string") ?? ["", []];
  const rows = [...losses].map(([name, list]) => {
    if (typeof list === "string") return [name, `cannot: ${list}`];
    const relative = list.map((loss, i) => Math.abs(loss / (expected[i] as number) - 1));
    return [
      name,
      ...list.map((loss) => loss.toFixed(6)),
      name === reference ? "" : disagreements.check(`${name}: first loss`, relative[0]!, firstTolerance),
      name === reference ? "" : disagreements.check(`${name}: loss after updates`, Math.max(...relative), laterTolerance),
    ];
  });
  const steps = Array.from({ length: comparedSteps }, (_, i) => `loss ${i + 1}`);
  return [
    markdown(["no dropout, same weights and tokens", ...steps, "first, relative", "all, relative"], rows),
    "",
    `Compared with ${reference}; the first loss must agree within ${firstTolerance}, all within ${laterTolerance}.`,
  ].join("\n");
}

async function timing(surroundings: Surroundings): Promise<string> {
  surroundings.log("training: time");
  const calls = new Map<Entrant, GpuCalls | null>();
  return contest(
    trainers,
    surroundings,
    async (entrant) => {
      await entrant.attempt((remote) => remote.ask("prepareTraining", dropout));
      for (let step = 0; step < warmUpSteps; step++) await entrant.attempt((remote) => remote.ask("trainingStep"));
    },
    async (entrants) => {
      const times = await alternate(entrants, surroundings.rounds, async (entrant) => {
        const step = await entrant.attempt((remote) => remote.ask("trainingStep"));
        calls.set(entrant, step?.calls ?? null);
        return step?.milliseconds ?? null;
      });
      const own = times.get(entrants.find(({ peer }) => peer === ours)!) ?? null;
      const rows: string[][] = [];
      for (const entrant of entrants) {
        const { name } = entrant.peer;
        const time = times.get(entrant)!;
        if (time === null) {
          rows.push([name, `cannot: ${entrant.failure}`]);
          continue;
        }
        const peak = await entrant.attempt((remote) => remote.ask("peakMemory"));
        rows.push([
          name,
          time.toFixed(0),
          ((2 * batchSize * 1000) / time).toFixed(0),
          own === null ? "" : ratio(time / own),
          goalText(trainingGoals[name]),
          ...callCells(calls.get(entrant)!),
          megabytes(peak),
          entrant.version,
        ]);
      }
      const head = [
        `dropout ${dropout}`,
        "ms a step",
        "sentences/s",
        "we are",
        "goal (aim)",
        "dispatches",
        "submits",
        "new buffers",
        "peak MB",
        "version",
      ];
      return [markdown(head, rows), "", `Our goal for peak memory: ${megabytes(memoryGoal.least)} MB (${megabytes(memoryGoal.aim)}).`].join(
        "\n",
      );
    },
  );
}
