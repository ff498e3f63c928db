/**
 * Finds an adapter for WebGPU in Node, installs a software one if there is none, and reports what it did.
 *
 * The unchanged environment is tried first, so that a GPU is used if there is one. On Linux, the installed software drivers are tried next, then
 * one is installed with apt. On macOS and Windows Dawn uses Metal and Direct3D, and there is nothing to install.
 */
import { DeviceError } from "../../src/errors.ts";
import { adapterName } from "../../src/gpu/adapter-name.ts";
import { distribution, openApt } from "./apt.ts";
import { type BrowserName, findBrowser, variableOf } from "./find-browser.ts";
import { type AdapterInfo, probeAdapter } from "./probe-adapter.ts";
import { driverEnvironment, softwareDrivers, standIn } from "./vulkan-drivers.ts";

export interface SetupOptions {
  /** Install a driver if none works. */
  readonly install: boolean;
  /** Called with one line per step. */
  readonly log: (line: string) => void;
}

export interface FoundAdapter {
  readonly info: AdapterInfo;
  /** Variables that `process.env` needs before Dawn is loaded; empty if it works without. */
  readonly environment: Readonly<Record<string, string>>;
}

/** Debian 12's own Mesa 22.3 has less of Vulkan than Dawn needs. */
const NEEDS_BACKPORTS = "bookworm";

const BACKPORTS_LINE = `deb http://deb.debian.org/debian ${NEEDS_BACKPORTS}-backports main`;
const APT_INSTALL = "sudo apt-get update && sudo apt-get install -y --no-install-recommends";

/** Packages that apt can install, in order of preference. A name that a distribution lacks costs one failed attempt. */
const INSTALLATIONS = [
  { name: "Mesa's lavapipe", packages: ["mesa-vulkan-drivers", "libvulkan1"], isMesa: true },
  { name: "Chromium's SwiftShader", packages: ["chromium", "libvulkan1"], isMesa: false },
] as const;

/** Drawing a page without any font can crash Chromium. */
const BROWSER_PACKAGES: Readonly<Record<BrowserName, readonly string[]>> = {
  chromium: ["chromium", "fonts-liberation"],
  firefox: ["firefox-esr", "fonts-liberation"],
};

/** Libraries that make Mesa's drivers believe in GPUs that are not here. */
const COMPILER_PACKAGES = ["mesa-drm-shim"];

/** Commands for users, if this program may not install: by the `ID` of os-release(5). */
const DRIVER_COMMANDS: Readonly<Record<string, string>> = {
  debian: `${APT_INSTALL} mesa-vulkan-drivers libvulkan1`,
  ubuntu: `${APT_INSTALL} mesa-vulkan-drivers libvulkan1`,
  fedora: "sudo dnf install -y mesa-vulkan-drivers vulkan-loader",
  arch: "sudo pacman -S --needed vulkan-swrast vulkan-icd-loader",
};

const PLATFORM_REMEDIES: Partial<Record<NodeJS.Platform, string>> = {
  darwin: "Dawn needs a Mac with Metal: update macOS",
  win32: "Dawn needs Direct3D 12: update Windows and the graphics driver",
};

function driverRemedy(): string {
  const { id, codename } = distribution();
  const command = DRIVER_COMMANDS[id] ?? DRIVER_COMMANDS.debian!;
  const elsewhere = id in DRIVER_COMMANDS ? "" : " (or your system's packages of the same things)";
  const remedy =
    codename === NEEDS_BACKPORTS
      ? `echo '${BACKPORTS_LINE}' | sudo tee /etc/apt/sources.list.d/${NEEDS_BACKPORTS}-backports.list\n  ${command.replace(
          "mesa-vulkan-drivers",
          `-t ${NEEDS_BACKPORTS}-backports mesa-vulkan-drivers`,
        )}`
      : `${command}${elsewhere}`;
  return `install a Vulkan driver (Mesa 23 or later) and the Vulkan loader, then try again:\n  ${remedy}`;
}

/** Tries the unchanged environment, then each installed software driver. Adds the reasons of failures to `tried`. */
async function findInstalled(tried: string[]): Promise<FoundAdapter | null> {
  const drivers = process.platform === "linux" ? softwareDrivers() : [];
  const attempts = [
    { name: "the machine as it is", environment: {} },
    ...drivers.map((driver) => ({ name: `${driver.name} (${driver.manifest})`, environment: driverEnvironment(driver) })),
  ];
  for (const { name, environment } of attempts) {
    const probe = await probeAdapter(environment);
    if ("info" in probe) return { info: probe.info, environment };
    tried.push(`${name}: ${probe.reason}`);
  }
  return null;
}

/**
 * A working adapter, with the environment in which Dawn opens it.
 *
 * @throws {DeviceError} if none works and none could be installed. It names every attempt, and its remedy is the commands to run.
 */
export async function findAdapter({ install, log }: SetupOptions): Promise<FoundAdapter> {
  const tried: string[] = [];
  const found = await findInstalled(tried);
  if (found) return found;
  if (install && process.platform === "linux") {
    const apt = await openApt();
    if (apt === null) tried.push("installing: needs apt-get and root");
    else {
      for (const { name, packages, isMesa } of INSTALLATIONS) {
        log(`no adapter works here: installing ${name} (${packages.join(", ")}), which can take some minutes`);
        const backports = isMesa && distribution().codename === NEEDS_BACKPORTS;
        const failure = await apt.install(packages, { backports, log });
        const attempts: string[] = failure === null ? [] : [failure];
        const installed = failure === null ? await findInstalled(attempts) : null;
        if (installed) return installed;
        log(`${name} does not help: ${attempts.join("; ")}`);
        tried.push(...attempts.map((attempt) => `after installing ${name}: ${attempt}`));
      }
    }
  }
  throw new DeviceError(
    `no WebGPU adapter works on this machine:\n${tried.map((attempt) => `  - ${attempt}`).join("\n")}`,
    PLATFORM_REMEDIES[process.platform] ?? driverRemedy(),
  );
}

/**
 * The path of a Chromium or of a Firefox, which is installed if there is none.
 *
 * @throws {DeviceError} if there is none and none could be installed.
 */
export async function setUpBrowser(name: BrowserName, { install, log }: SetupOptions): Promise<string> {
  const found = findBrowser(name);
  if (found !== null) return found;
  const variable = variableOf(name);
  const named = process.env[variable];
  if (named) throw new DeviceError(`${variable} names ${named}, which is not a program`, `correct or unset ${variable}`);
  const packages = BROWSER_PACKAGES[name];
  const apt = install && process.platform === "linux" ? await openApt() : null;
  let failure: string | null = null;
  if (apt !== null) {
    log(`no ${name} here: installing ${packages.join(", ")}, which can take some minutes`);
    failure = await apt.install(packages, { backports: false, log });
  }
  const installed = findBrowser(name);
  if (installed !== null) return installed;
  throw new DeviceError(
    `no ${name} on this machine${failure === null ? "" : ` (${failure})`}`,
    `install one (on Debian: ${APT_INSTALL} ${packages.join(" ")}), or name it in ${variable}`,
  );
}

/** Finds or installs what Mesa's drivers need to compile for GPUs that are not here. One line that says what came of it: only tests and benchmarks use them. */
export async function setUpCompilers({ install, log }: SetupOptions): Promise<string> {
  if (standIn("amdgpu") !== undefined) return "compilers for absent GPUs: installed";
  const apt = install && process.platform === "linux" ? await openApt() : null;
  if (apt === null) return `compilers for absent GPUs: not installed; on Debian and Ubuntu they are in ${COMPILER_PACKAGES.join(", ")}`;
  const failure = await apt.install(COMPILER_PACKAGES, { backports: distribution().codename === NEEDS_BACKPORTS, log });
  return `compilers for absent GPUs: ${failure ?? `installed (${COMPILER_PACKAGES.join(", ")})`}`;
}

/** One line with the adapter and the environment it needs. */
export function describeAdapter({ info, environment }: FoundAdapter): string {
  const kind = info.isFallbackAdapter ? "software" : "GPU";
  const variables = Object.entries(environment).map(([variable, value]) => `${variable}=${value}`);
  return `adapter: ${adapterName(info)} (${info.vendor} ${info.architecture}, ${kind})${variables.length > 0 ? `, with ${variables.join(" ")}` : ""}`;
}
