/**
 * The test suite as four projects, one for each kind of machine it must pass on.
 *
 * Tests run in processes of their own and never in threads: Dawn reads the environment of its process, and a driver that crashes takes its
 * process with it.
 */
import { resolve } from "node:path";
import { defineConfig } from "vitest/config";
import { driverEnvironment, swiftShaderDriver } from "./tools/setup/vulkan-drivers.ts";

/** A software adapter uses every core by itself; a second worker fills the time when the first one compiles. */
const MAX_WORKERS = 2;

const swiftShader = swiftShaderDriver();

/**
 * Makes llvmpipe compile without LLVM's optimisations. They change no result, and tests wait longer for the compiler than for kernels: a third
 * less time in all. The tests of the package and the demo run without it.
 */
const quickCompiler = { GALLIVM_PERF: "nopt" };

const shared = {
  pool: "forks",
  isolate: true,
  maxWorkers: MAX_WORKERS,
  // Software adapters are slow, more so when other work shares the cores.
  testTimeout: 120_000,
  hookTimeout: 120_000,
} as const;

/** What the app imports, as its build resolves it. */
const alias = { "simcse-webgpu/browser": resolve("src/index.ts") };

/** What is the same on every adapter: it runs in `full` alone. */
const onAnyAdapter = [
  "test/kernels/null-backend.test.ts",
  "test/autograd/misuse.test.ts",
  "test/simcse/{checkpoint,distillation,evaluation,losses,report}/**",
  // What a run keeps, resumes and trains of a model, and what an index does around its vectors.
  "test/simcse/training/{library,lora,resumption,trained-parts}.test.ts",
  "test/simcse/search/{export-index,index-file,sentence-index}.test.ts",
];

const projects = [
  {
    name: "full",
    include: ["test/**/*.test.ts"],
    exclude: ["test/browser/**", "test/package/**"],
    env: { SIMCSE_DEVICE: "full", ...quickCompiler },
  },
  {
    // What depends on the device, on one without optional features and with the default limits.
    name: "core",
    include: ["test/{gpu,kernels,autograd,tuning,nn,simcse,golden}/**/*.test.ts"],
    exclude: onAnyAdapter,
    env: { SIMCSE_DEVICE: "core", ...quickCompiler },
  },
  {
    // Left out where there is no SwiftShader: test/setup.ts says so, and fails in CI. Kernels are what may differ on it; training on it
    // is tested in the browser.
    name: "swiftshader",
    include: swiftShader ? ["test/{kernels,autograd}/**/*.test.ts", "test/golden/bert.test.ts"] : [],
    exclude: onAnyAdapter,
    env: { SIMCSE_DEVICE: "full", ...(swiftShader ? driverEnvironment(swiftShader) : {}) },
  },
  {
    // Alone and after the others: a browser on a software adapter wants both cores.
    name: "browser",
    include: ["test/browser/**/*.test.ts"],
    env: { SIMCSE_DEVICE: "full", ...quickCompiler },
    sequence: { groupOrder: 1 },
  },
];

export default defineConfig({
  test: {
    globalSetup: ["test/setup.ts"],
    reporters: ["default", "./test/summary-reporter.ts"],
    projects: projects.map((project) => ({ resolve: { alias }, test: { ...shared, ...project } })),
  },
});
