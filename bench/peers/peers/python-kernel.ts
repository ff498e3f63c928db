/** A single kernel in a Python process. */
import type { Kernel } from "../peer.ts";
import { decodeFloats, type PythonPeer } from "../python-peer.ts";
import { type KernelWork, layerNormEpsilon, operands } from "../work.ts";

export async function pythonKernel(python: PythonPeer, work: KernelWork): Promise<Kernel> {
  const sent = operands(work).map(({ shape, data }) => ({ shape, data: Buffer.from(data.buffer).toString("base64") }));
  await python.ask({ do: "kernel", op: work.op, operands: sent, epsilon: layerNormEpsilon });
  return {
    run: async (times) => {
      await python.ask({ do: "run", times });
    },
    result: async () => decodeFloats((await python.ask<{ y: string }>({ do: "result" })).y),
  };
}
