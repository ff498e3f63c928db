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

/**
 * What is another on a device without optional features and with the default limits: kernels without subgroups, with packed halves, and with
 * fewer buffers; the model that they make up; and the device. The rest has the same shaders there as in `full`.
 */
const onCoreDevices = [
  "test/gpu/**/*.test.ts",
  "test/kernels/{attention,embedding,halves,layer-norm}.test.ts",
  "test/kernels/matmul/{matmul,grouped}.test.ts",
  "test/kernels/optimizer/adamw.test.ts",
  "test/kernels/search/vector-scores.test.ts",
  "test/autograd/program-profile.test.ts",
  "test/golden/bert.test.ts",
  "test/simcse/embedding/halves.test.ts",
  "test/simcse/training/mixed-precision.test.ts",
  "test/simcse/simcse.test.ts",
];

/** What is not a matter of the adapter: how a product's gradient is put together, what compiles without a driver, and what `full` emulates. */
const onAnyAdapter = [
  "test/kernels/null-backend.test.ts",
  "test/kernels/matmul/{gradients,probe-sizes,subgroup-matrix}.test.ts",
  "test/kernels/attention/**",
];

/** What the page's kernel suite runs on SwiftShader, in Chromium; and halves, which are packed there as on a core device. */
const onSwiftShaderInChromium = [
  "test/kernels/{column-sum,copy,dropout,embedding,fill,halves,normalize,pool,reshape,shapes,sum,views}.test.ts",
  "test/kernels/optimizer/**",
];

const projects = [
  {
    name: "full",
    include: ["test/**/*.test.ts"],
    exclude: ["test/browser/**", "test/package/**"],
    env: { SIMCSE_DEVICE: "full", ...quickCompiler },
  },
  {
    name: "core",
    include: onCoreDevices,
    env: { SIMCSE_DEVICE: "core", ...quickCompiler },
  },
  {
    // Left out where there is no SwiftShader: test/setup.ts says so, and fails in CI. Kernels are what may differ on it; training on it
    // is tested in the browser.
    name: "swiftshader",
    include: swiftShader ? ["test/kernels/**/*.test.ts", "test/golden/bert.test.ts"] : [],
    exclude: [...onAnyAdapter, ...onSwiftShaderInChromium],
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
