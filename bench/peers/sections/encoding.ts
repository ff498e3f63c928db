/** The forward pass: embeddings of a batch, compared and then timed in the same processes. */
import { markdown } from "../../measure.ts";
import { alternate, contest, type Entrant, type Surroundings } from "../contest.ts";
import { encodingGoals, goalText, ratio } from "../goals.ts";
import type { GpuCalls } from "../peer.ts";
import { ours, peers, pytorch } from "../peers.ts";
import { batchSize, tokensPerSentence } from "../work.ts";
import { type Disagreements, greatestDifference } from "./agreement.ts";
import { callCells, megabytes } from "./cells.ts";

const encoders = peers.filter(({ does }) => does.includes("encode"));

/** Tolerance for embeddings, which lie in −1 … 1: roundings of two layers in f32. */
const tolerance = 5e-5;

/** Batches per round, because a single batch is short compared with the noise. */
const batchesPerRound = 3;

export async function encodingSection(surroundings: Surroundings, disagreements: Disagreements): Promise<string> {
  surroundings.log("encoding");
  const embeddings = new Map<Entrant, Float32Array | null>();
  const calls = new Map<Entrant, GpuCalls | null>();
  return contest(
    encoders,
    surroundings,
    async (entrant) => {
      await entrant.attempt((remote) => remote.ask("prepareEncoding"));
      const first = await entrant.attempt((remote) => remote.ask("encode"));
      embeddings.set(entrant, first?.embeddings ?? null);
    },
    async (entrants) => {
      const times = await alternate(entrants, surroundings.rounds, async (entrant) => {
        let milliseconds = 0;
        for (let i = 0; i < batchesPerRound; i++) {
          const batch = await entrant.attempt((remote) => remote.ask("encode"));
          if (batch === null) return null;
          calls.set(entrant, batch.calls);
          milliseconds += batch.milliseconds / batchesPerRound;
        }
        return milliseconds;
      });
      const entrantOf = (peer: typeof ours) => entrants.find((entrant) => entrant.peer === peer)!;
      const own = times.get(entrantOf(ours)) ?? null;
      const reference = [pytorch, ours].map(entrantOf).find((entrant) => embeddings.get(entrant));
      const rows: string[][] = [];
      for (const entrant of entrants) {
        const { name } = entrant.peer;
        const time = times.get(entrant)!;
        if (time === null) {
          rows.push([name, `cannot: ${entrant.failure}`]);
          continue;
        }
        const difference = greatestDifference(embeddings.get(entrant)!, embeddings.get(reference!)!);
        const peak = await entrant.attempt((remote) => remote.ask("peakMemory"));
        rows.push([
          name,
          ((batchSize * 1000) / time).toFixed(0),
          time.toFixed(1),
          own === null ? "" : ratio(time / own),
          goalText(encodingGoals[name]),
          entrant === reference ? "" : disagreements.check(`${name}: embeddings`, difference, tolerance),
          ...callCells(calls.get(entrant)!),
          megabytes(peak),
          entrant.version,
        ]);
      }
      const head = [
        "",
        "sentences/s",
        "ms a batch",
        "we are",
        "goal (aim)",
        "difference",
        "dispatches",
        "submits",
        "new buffers",
        "peak MB",
        "version",
      ];
      return [
        "## Encoding",
        "",
        `The same model, ${batchSize} sentences × ${tokensPerSentence} tokens to embeddings on the CPU. The greatest difference of an embedding's number from ${reference?.peer.name} must be within ${tolerance}.`,
        "",
        markdown(head, rows),
      ].join("\n");
    },
  );
}
