/** OpenBLAS through numpy, in a Python process of its own (`openblas.py`): what these cores give in a matrix product. */
import type { OpenPeer } from "../peer.ts";
import { PythonProcess } from "../python-process.ts";
import { pythonKernel } from "./python-kernel.ts";

export async function open(): Promise<OpenPeer> {
  const { python, version } = await PythonProcess.start("openblas.py");
  return { version, kernel: async (work) => (work.op === "matmul" ? pythonKernel(python, work) : null) };
}
