/** OpenBLAS through numpy, in a separate Python process (`openblas.py`): the speed of these cores in matrix products. */
import type { OpenPeer } from "../peer.ts";
import { PythonPeer } from "../python-peer.ts";
import { pythonKernel } from "./python-kernel.ts";

export async function open(): Promise<OpenPeer> {
  const { python, version } = await PythonPeer.start("openblas.py");
  return { version, kernel: async (work) => (work.op === "matmul" ? pythonKernel(python, work) : null) };
}
