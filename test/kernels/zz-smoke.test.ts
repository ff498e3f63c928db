import { it } from "vitest";
import { openTestDevice } from "../device.ts";
import { run, runGradient } from "./run.ts";
import { matmul } from "../../src/kernels/matmul.ts";
import { gelu } from "../../src/kernels/gelu.ts";
import { layerNorm } from "../../src/kernels/layer-norm.ts";
import { normalize } from "../../src/kernels/normalize.ts";
import { crossEntropy } from "../../src/kernels/cross-entropy.ts";
import { mean } from "../../src/kernels/mean.ts";
import { Program } from "../../src/autograd/program.ts";
import { plan } from "../../src/autograd/plan.ts";
import { Tape } from "../../src/autograd/tape.ts";
import { f32, u32 } from "../../src/kernels/operation.ts";
import { attention } from "../../src/kernels/attention.ts";
import { embedding } from "../../src/kernels/embedding.ts";
import { pool } from "../../src/kernels/pool.ts";
const device = await openTestDevice();
import type { Value } from "../../src/kernels/operation.ts";
const adj = (y: Value, dy: Value) => y.node!.operation.gradient!(y.node!, y.node!.outputs.map((o) => o === y ? dy : null));
async function time(name: string, record: (tape: Tape) => Value[], caps = {}) {
  const tape = new Tape();
  const outs = record(tape);
  const p = plan(tape, Object.fromEntries(outs.map((o, i) => [`o${i}`, o])), { ...device.capabilities, ...caps });
  const program = await Program.build(device, p, {}, {});
  for (const [i, k] of p.kernels.entries()) { const t = performance.now(); const d = program.dispatches[i]!;
    const e = device.gpu.createCommandEncoder(); const pass = e.beginComputePass(); pass.setPipeline(d.pipeline); pass.setBindGroup(0, d.bindGroup); pass.dispatchWorkgroups(1,1,1); pass.end(); device.submit(e.finish()); await device.finish();
    console.log("TT", name, k.shader.label, Math.round(performance.now() - t)); }
  for (const k of [] as typeof p.kernels) { const t = performance.now(); await device.pipeline(k.shader); console.log("TT", name, k.shader.label, Math.round(performance.now() - t)); }
}
it("smoke", async () => {
  for (const layout of ["nn","nt","tn"] as const) {
    const sh = { nn: [[64,64],[64,64]] } ;
    await time("", (t) => [matmul(t.input("a", f32(64,64)), t.input("b", f32(64,64)), layout)]);
    await time("", (t) => [matmul(t.input("a", f32(64,64)), t.input("b", f32(64,64)), layout)], {software:false});
  }
  for (const n of [57,64]) {
    await time("n "+n, (t) => { const y = gelu(t.input("a", f32(64,n))); return [y, adj(y, t.input("dy", f32(64,n)))[0]!]});
    for (const software of [true,false]) {
    await time(software+" n "+n, (t) => { const y = layerNorm(t.input("a", f32(64,n)), t.input("w", f32(n)), t.input("b", f32(n)), 1e-5); return [y, ...adj(y, t.input("dy", f32(64,n))).map(x=>x!)]}, {software});
    await time(software+" n "+n, (t) => { const y = normalize(t.input("a", f32(64,n))); return [y, ...adj(y, t.input("dy", f32(64,n))).map(x=>x!)]}, {software});
    await time(software+" n "+n, (t) => { const y = crossEntropy(t.input("a", f32(n,n))); return [y, ...adj(y, t.input("dy", f32(n))).map(x=>x!)]}, {software});
    await time(software+" n "+n, (t) => { const y = mean(t.input("a", f32(n))); return [y, ...adj(y, t.input("dy", f32(1))).map(x=>x!)]}, {software});
    }
  }
  for (const [heads, width] of [[2,16],[2,128], [12,768]] as const) for (const d of [0,0.1])
    await time("att "+width+" "+d, (t) => { const y = attention(t.input("a", f32(64,3*width)), {tokens: t.input("t", u32(64,4)), sentences: t.input("s", u32(8,2))}, {heads, dropout: d}); return [y, ...adj(y, t.input("dy", f32(64,width))).slice(0,1).map(x=>x!)]});
});
