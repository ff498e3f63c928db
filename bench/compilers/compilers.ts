/**
 * Compilers for GPUs that are not here. Mesa's drivers compile for any GPU if a library stands in for the kernel's driver (Debian's
 * `mesa-drm-shim`) and environment variables name the GPU. Nothing runs, but the machine code is that of the real GPU, and each
 * driver can print how many registers it took and what did not fit. NVIDIA's here is Mesa's NVK, not NVIDIA's own compiler.
 */
import { driverEnvironment, mesaManifest, standIn } from "../../tools/setup/vulkan-drivers.ts";

/** What a driver prints of a kernel. */
export interface Report {
  /** Registers of a thread, 32 bits each. */
  readonly registers: number;
  /** Registers that did not fit and are kept in memory. */
  readonly spilled: number;
  /** The share of the threads that a core can hold which fit beside each other; workgroup memory counts only for AMD. */
  readonly occupancy: number;
  readonly instructions: number;
}

/** A GPU, and how to get its compiler. */
export interface Compiler {
  readonly gpu: string;
  /** Mesa's driver. */
  readonly driver: string;
  /** The driver in the kernel that a library stands in for. */
  readonly shim: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Reads what the driver printed of a kernel; null where something is missing. */
  readonly read: (printed: string) => Report | null;
}

/** The number after `name: ` at the start of a line; NaN where there is none. */
const after = (printed: string, name: string) => Number(new RegExp(`^\\s*${name}: (\\d+)`, "m").exec(printed)?.[1]);

/** A report whose numbers were all found. */
const complete = (report: Report): Report | null => (Object.values(report).some(Number.isNaN) ? null : report);

/** Mesa's RADV. */
const amd = (gpu: string, family: string): Compiler => ({
  gpu,
  driver: "radeon",
  shim: "amdgpu",
  environment: { AMDGPU_GPU_ID: family, RADV_DEBUG: "shaderstats" },
  read: (printed) =>
    complete({
      registers: after(printed, "VGPRs"),
      spilled: after(printed, "Spilled VGPRs") + after(printed, "Spilled SGPRs"),
      occupancy: after(printed, "Subgroups per SIMD") / 32,
      instructions: after(printed, "Instructions"),
    }),
});

/** Mesa's NVK. `chipset` is the number by which the kernel's driver knows the GPU. */
const nvidia = (gpu: string, chipset: string): Compiler => ({
  gpu,
  driver: "nouveau",
  shim: "nouveau",
  environment: { NOUVEAU_CHIPSET: chipset, NVK_I_WANT_A_BROKEN_VULKAN_DRIVER: "1", NAK_DEBUG: "print" },
  read: (printed) =>
    complete({
      registers: after(printed, "Num GPRs"),
      spilled: after(printed, "Spills to mem"),
      occupancy: after(printed, "Max warps/SM") / 64,
      instructions: after(printed, "Instruction count"),
    }),
});

/** Mesa's Turnip. A register holds four numbers. */
const qualcomm = (gpu: string, id: string): Compiler => ({
  gpu,
  driver: "freedreno",
  shim: "freedreno",
  environment: { FD_GPU_ID: id, IR3_SHADER_DEBUG: "cs" },
  read: (printed) => {
    const count = (pattern: RegExp) => Number(pattern.exec(printed)?.[1]);
    return complete({
      registers: 4 * count(/ (\d+) full, /),
      spilled: printed.match(/\bstp\./g)?.length ?? 0,
      occupancy: count(/ (\d+) max_waves/) / 16,
      instructions: count(/ (\d+) instr, /),
    });
  },
});

/** Mesa's Honeykrisp. A register holds 16 bits. */
const apple = (gpu: string): Compiler => ({
  gpu,
  driver: "asahi",
  shim: "asahi",
  environment: { AGX_MESA_DEBUG: "shaderdb" },
  read: (printed) => {
    const [, ...numbers] = /^CS shader: (\d+) instrs, .* (\d+) gprs, .* (\d+) threads, .* (\d+):\d+ spills:fills/m.exec(printed) ?? [];
    const [instructions, halves, threads, spilled] = numbers.map(Number);
    return halves === undefined
      ? null
      : { registers: Math.ceil(halves / 2), spilled: spilled!, occupancy: threads! / 1024, instructions: instructions! };
  },
});

export const compilers: readonly Compiler[] = [
  amd("AMD RDNA 2", "navi21"),
  amd("AMD RDNA 3", "navi31"),
  amd("AMD RDNA 4", "gfx1201"),
  nvidia("NVIDIA Hopper", "180"),
  nvidia("NVIDIA Ada", "192"),
  qualcomm("Qualcomm Adreno 630", "630"),
  qualcomm("Qualcomm Adreno 740", "740"),
  apple("Apple M1"),
];

/** Whether the driver and its stand-in library are installed here. */
export const isInstalled = (compiler: Compiler): boolean => environmentOf(compiler) !== null;

/** The environment of a process in which the only GPU is this one; null where it is not installed. */
export function environmentOf({ driver, shim, environment }: Compiler): NodeJS.ProcessEnv | null {
  const [manifest, library] = [mesaManifest(driver), standIn(shim)];
  if (manifest === undefined || library === undefined) return null;
  return {
    ...process.env,
    ...environment,
    ...driverEnvironment({ manifest }),
    LD_PRELOAD: library,
    MESA_SHADER_CACHE_DISABLE: "true",
  };
}
