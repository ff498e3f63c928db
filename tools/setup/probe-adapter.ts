/**
 * Tests whether WebGPU works in Node under a given environment, by computing one number on the adapter.
 *
 * The test runs in a child process, for two reasons: a broken driver can kill the process that loads it, and the Vulkan loader reads the
 * environment once. A driver that opens but computes wrong results is reported as not working.
 */
import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

/** WebGPU's description of an adapter (`GPUAdapterInfo`). */
export interface AdapterInfo {
  readonly vendor: string;
  readonly architecture: string;
  readonly device: string;
  readonly description: string;
  /** True for a software adapter. */
  readonly isFallbackAdapter: boolean;
}

/** A working adapter, or the reason why there is none. */
export type Probe = { readonly info: AdapterInfo } | { readonly reason: string };

/** Generous: a software driver compiles its first shader in well under a second, but the machine may be busy. */
const PROBE_TIMEOUT_MS = 60_000;

/** The child's program. It is a text, because bundlers rewrite functions and this one runs outside the bundle; the last argument is Dawn's module. */
const PROGRAM = `
const { create } = await import(process.argv.at(-1));
globalThis.instance = create([]); // kept reachable: Dawn crashes when it is collected
try {
  const adapter = await instance.requestAdapter();
  if (!adapter) throw new Error("Dawn finds no adapter");
  const device = await adapter.requestDevice();
  const STORAGE = 0x80, COPY_SRC = 0x04, COPY_DST = 0x08, MAP_READ = 0x01;
  const answer = device.createBuffer({ size: 4, usage: STORAGE | COPY_SRC });
  const readback = device.createBuffer({ size: 4, usage: COPY_DST | MAP_READ });
  const code = "@group(0) @binding(0) var<storage, read_write> answer: u32; @compute @workgroup_size(1) fn main() { answer = 42u; }";
  const pipeline = device.createComputePipeline({ layout: "auto", compute: { module: device.createShaderModule({ code }) } });
  const entries = [{ binding: 0, resource: { buffer: answer } }];
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
  pass.dispatchWorkgroups(1);
  pass.end();
  encoder.copyBufferToBuffer(answer, 0, readback, 0, 4);
  device.queue.submit([encoder.finish()]);
  await readback.mapAsync(1);
  const [found] = new Uint32Array(readback.getMappedRange());
  if (found !== 42) throw new Error("the adapter computed " + found + " where 42 was expected");
  const { vendor, architecture, device: name, description, isFallbackAdapter } = adapter.info;
  console.log(JSON.stringify({ vendor, architecture, device: name, description, isFallbackAdapter }));
  device.destroy();
} catch (error) {
  console.log("failed: " + error.message);
  process.exitCode = 1;
}
`;

/** Opens Dawn's default adapter in a child process whose environment is this one's with `environment` on top. Never throws. */
export function probeAdapter(environment: Readonly<Record<string, string>> = {}): Promise<Probe> {
  const dawn = pathToFileURL(createRequire(import.meta.url).resolve("webgpu")).href;
  const options = { env: { ...process.env, ...environment }, timeout: PROBE_TIMEOUT_MS };
  return new Promise((resolve) => {
    const child = execFile(process.execPath, ["--input-type=module", "-", dawn], options, (error, stdout, stderr) => {
      const said = stdout.trim().split("\n").at(-1) ?? "";
      if (error === null) resolve({ info: JSON.parse(said) as AdapterInfo });
      else if (error.killed) resolve({ reason: `no answer within ${PROBE_TIMEOUT_MS / 1000} s` });
      else if (error.signal) resolve({ reason: `the driver ended the process with ${error.signal}` });
      else if (said.startsWith("failed: ")) resolve({ reason: said.slice("failed: ".length) });
      else resolve({ reason: lastError(stderr) ?? `the process ended with code ${error.code}` });
    });
    // Through its input: Deno takes a program in `-e` for a script, which cannot import. If the child has ended, its code says more than the broken pipe.
    child.stdin!.on("error", () => {}).end(PROGRAM);
  });
}

/** The line of Node's own crash report that names the error, such as a library that the `webgpu` package cannot find. */
function lastError(stderr: string): string | undefined {
  return stderr
    .split("\n")
    .reverse()
    .find((line) => /^\w*Error\b/.test(line));
}
