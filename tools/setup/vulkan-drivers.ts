/**
 * The locations of software Vulkan drivers on Linux, and how to make the Vulkan loader use one.
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

/** In the order of preference: lavapipe is 3 to 10 times faster than SwiftShader. */
const PLACES: readonly { name: VulkanDriver["name"]; manifest: RegExp; folders: readonly string[] }[] = [
  {
    name: "lavapipe",
    manifest: /^lvp_icd.*\.json$/,
    folders: ["/usr/share/vulkan/icd.d", "/usr/local/share/vulkan/icd.d", "/etc/vulkan/icd.d"],
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
  return PLACES.flatMap(({ name, manifest, folders }) =>
    folders.filter(existsSync).flatMap((folder) =>
      readdirSync(folder)
        .filter((file) => manifest.test(file))
        .map((file) => ({ name, manifest: join(folder, file) })),
    ),
  );
}

/** The environment in which the Vulkan loader sees only this driver. Loaders before 1.3.207 know only the older name of the variable. */
export function driverEnvironment(driver: VulkanDriver): Record<string, string> {
  return { VK_DRIVER_FILES: driver.manifest, VK_ICD_FILENAMES: driver.manifest };
}

/** SwiftShader, if this machine has it. */
export function swiftShaderDriver(): VulkanDriver | undefined {
  return softwareDrivers().find(({ name }) => name === "SwiftShader");
}
