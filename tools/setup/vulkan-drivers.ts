/**
 * The locations of Vulkan drivers on Linux: software ones, and those that compile for GPUs which are not here. And how to make the Vulkan
 * loader use one.
 *
 * It only looks at the disk; `probe-adapter.ts` tests whether a driver works.
 */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

export interface VulkanDriver {
  readonly name: "lavapipe" | "SwiftShader";
  /** The driver's manifest, a JSON file. */
  readonly manifest: string;
}

/** Where distributions put the manifests of Mesa's drivers, and libraries. */
const MESA_MANIFESTS = ["/usr/share/vulkan/icd.d", "/usr/local/share/vulkan/icd.d", "/etc/vulkan/icd.d"];
const LIBRARIES = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];

/** In the order of preference: lavapipe is 3 to 10 times faster than SwiftShader. */
const PLACES: readonly { name: VulkanDriver["name"]; manifest: RegExp; folders: readonly string[] }[] = [
  {
    name: "lavapipe",
    manifest: /^lvp_icd.*\.json$/,
    folders: MESA_MANIFESTS,
  },
  {
    name: "SwiftShader",
    manifest: /^vk_swiftshader_icd\.json$/,
    folders: [
      "/usr/lib/chromium",
      "/usr/lib64/chromium-browser",
      "/opt/google/chrome",
      "/opt/chromium.org/chromium",
      "/opt/microsoft/msedge",
      "/snap/chromium/current/usr/lib/chromium-browser",
    ],
  },
];

/** The software drivers with manifests on this machine, the preferred first. */
export function softwareDrivers(): VulkanDriver[] {
  return PLACES.flatMap(({ name, manifest, folders }) => filesIn(folders, manifest).map((file) => ({ name, manifest: file })));
}

/** The manifest of a driver of Mesa's, such as `radeon`, if it is installed. */
export const mesaManifest = (driver: string): string | undefined => filesIn(MESA_MANIFESTS, new RegExp(`^${driver}_icd.*\\.json$`))[0];

/** The library that makes one of Mesa's drivers believe in a GPU that is not here, if it is installed; `kernelDriver` is such as `amdgpu`. */
export const standIn = (kernelDriver: string): string | undefined =>
  filesIn(LIBRARIES, new RegExp(`^lib${kernelDriver}_noop_drm_shim\\.so$`))[0];

function filesIn(folders: readonly string[], pattern: RegExp): string[] {
  return folders.filter(existsSync).flatMap((folder) =>
    readdirSync(folder)
      .filter((file) => pattern.test(file))
      .map((file) => join(folder, file)),
  );
}

/** The environment in which the Vulkan loader sees only this driver. Loaders before 1.3.207 know only the older name of the variable. */
export function driverEnvironment({ manifest }: Pick<VulkanDriver, "manifest">): Record<string, string> {
  return { VK_DRIVER_FILES: manifest, VK_ICD_FILENAMES: manifest };
}

/** SwiftShader, if this machine has it. */
export function swiftShaderDriver(): VulkanDriver | undefined {
  return softwareDrivers().find(({ name }) => name === "SwiftShader");
}
