/** What compilers of GPUs that are not here make of the kernels: registers, what spills to memory, and how many threads fit beside each other. */
import { SimcseError } from "../src/errors.ts";
import { compileFor, type ReportedKernel } from "./compilers/compile-for.ts";
import { compilers } from "./compilers/compilers.ts";
import { type BenchTable, percent } from "./measure.ts";

const note = `Compiled for GPUs that are not here, by Mesa's drivers; nothing ran. Kernels: those of a training step of two of BERT-base's layers, 2 × 64 sentences × 32 tokens, and of a search. Spilled: registers that did not fit, and the number of kernels with some. Occupancy: the share of a core's threads that fit beside each other.`;

/** A summary for each GPU. Unless `quick`, every variant is compiled, and a table for each GPU lists those with arithmetic. */
export async function compilerTables({ quick }: { quick: boolean }): Promise<readonly BenchTable[]> {
  const missing: string[] = [];
  const summary: string[][] = [];
  const details: BenchTable[] = [];
  for (const compiler of compilers) {
    const compiled = await compileFor(compiler, { everyVariant: !quick }).catch((error: Error) => {
      if (!(error instanceof SimcseError)) throw error;
      missing.push(error.message);
    });
    if (compiled === undefined) continue;
    const { device, kernels, seconds } = compiled;
    const chosen = kernels.filter((kernel) => kernel.chosen);
    summary.push([
      compiler.gpu,
      device.name,
      [
        device.lanes === null ? "lanes vary" : `${device.lanes} lanes`,
        ...(device.halves ? ["f16"] : []),
        ...(device.matrices.length > 0 ? [`matrices ${device.matrices.find((format) => format.endsWith("f16"))}`] : []),
      ].join(", "),
      `${kernels.length}`,
      `${kernels.filter(({ failure }) => failure !== null).length}`,
      spilledOf(chosen),
      spilledOf(kernels),
      seconds.toFixed(0),
    ]);
    if (!quick) details.push(detailsOf(compiler.gpu, kernels));
  }
  const head = ["GPU", "driver", "offers", "kernels", "refused", "spilled by those chosen", "by all", "seconds"];
  return [{ head, rows: summary, note: [note, ...missing].join(" ") }, ...details];
}

function spilledOf(kernels: readonly ReportedKernel[]): string {
  const spilling = kernels.map(({ report }) => report?.spilled ?? 0).filter((spilled) => spilled > 0);
  return spilling.length === 0 ? "0" : `at most ${Math.max(...spilling)}, in ${spilling.length}`;
}

/** Operations whose kernels keep much in registers. */
const arithmetic = ["matmul", "groupedMatmul", "attention", "attentionGradient", "vectorScores"];

function detailsOf(gpu: string, kernels: readonly ReportedKernel[]): BenchTable {
  const rows = kernels
    .filter(({ operation, report }) => report !== null && arithmetic.includes(operation))
    .map(({ program, operation, variant, chosen, report }) => [
      `${program}, ${operation}`,
      `${variant}${chosen ? " ←" : ""}`,
      `${report!.registers}`,
      `${report!.spilled}`,
      percent(report!.occupancy),
      `${report!.instructions}`,
    ]);
  return {
    head: [gpu, "variant", "registers", "spilled", "occupancy", "instructions"],
    rows,
    note: "← is what the device chooses without measuring.",
  };
}
