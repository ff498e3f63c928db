/**
 * Installs packages with apt on Debian and its descendants, as root.
 *
 * It does not know the purpose of the packages. On other systems, and for users who may not install, `aptCommand` is null.
 */
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** The fields of os-release(5) that choose a package. */
export interface Distribution {
  /** `debian`, `ubuntu`, `fedora`, …; empty if unknown. */
  readonly id: string;
  /** `bookworm`, `noble`, …; empty if unknown. */
  readonly codename: string;
}

/** Reads os-release(5). */
export function distribution(file = "/etc/os-release"): Distribution {
  const text = existsSync(file) ? readFileSync(file, "utf8") : "";
  const field = (name: string): string => new RegExp(`^${name}="?([^"\n]*)"?$`, "m").exec(text)?.[1] ?? "";
  return { id: field("ID"), codename: field("VERSION_CODENAME") };
}

/** How long apt waits for another apt on this machine. */
const LOCK_TIMEOUT_S = 300;

/** Debian's own mirror network, used only if the machine's sources name no mirror. */
const DEBIAN_MIRROR = "http://deb.debian.org/debian";

interface Result {
  readonly code: number;
  /** Standard output and error, together. */
  readonly output: string;
}

/** Runs a command to its end; a missing command gives code 127. */
function run(command: readonly string[]): Promise<Result> {
  const [program, ...args] = command;
  return new Promise((resolve) => {
    const child = spawn(program!, args, {
      env: { ...process.env, LC_ALL: "C", DEBIAN_FRONTEND: "noninteractive" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    child.stdout.on("data", (chunk) => (output += chunk));
    child.stderr.on("data", (chunk) => (output += chunk));
    child.on("error", (error) => resolve({ code: 127, output: error.message }));
    child.on("close", (code) => resolve({ code: code ?? 1, output }));
  });
}

/** Apt on this machine, with permission to install. */
export interface Apt {
  /**
   * Installs packages, from backports if `backports` says so (that source is added if missing). Resolves to null, or to the reason
   * for the failure.
   */
  install(packages: readonly string[], options: { backports: boolean; log: (line: string) => void }): Promise<string | null>;
}

/** Apt, or null if there is none or the user is not root. */
export async function openApt(runCommand: Run = run): Promise<Apt | null> {
  if (process.getuid?.() !== 0 || (await runCommand(["apt-get", "--version"])).code !== 0) return null;
  return new AptGet(runCommand);
}

type Run = (command: readonly string[]) => Promise<Result>;

/** The folder of apt's sources, one file each. */
const SOURCES = "/etc/apt/sources.list.d";

export class AptGet implements Apt {
  /** `sources` is for tests. */
  constructor(
    private readonly run: Run,
    private readonly sources = SOURCES,
  ) {}

  async install(packages: readonly string[], options: { backports: boolean; log: (line: string) => void }): Promise<string | null> {
    const release = `${distribution().codename}-backports`;
    // A broken third-party source makes the update fail although the wanted packages may be available, so only the installation decides.
    await this.apt("update");
    const added = options.backports ? await this.addRelease(release) : null;
    if (added !== null) {
      options.log(`added the apt source ${added}`);
      await this.apt("update");
    }
    const installed = await this.apt("install", "--no-install-recommends", ...(options.backports ? ["-t", release] : []), ...packages);
    if (installed.code === 0) return null;
    if (added !== null) {
      await rm(added, { force: true });
      options.log(`removed the apt source ${added} again`);
    }
    return installed.output.split("\n").find((line) => line.startsWith("E: ")) ?? `apt-get ended with code ${installed.code}`;
  }

  private apt(...args: string[]): Promise<Result> {
    return this.run(["apt-get", "-q", "-y", "-o", `DPkg::Lock::Timeout=${LOCK_TIMEOUT_S}`, ...args]);
  }

  /**
   * Adds a source for `release` if apt has no working one; returns the written file, or null. The file has this package's own name. An existing
   * file of that name is left alone, because somebody else may have written it.
   */
  private async addRelease(release: string): Promise<string | null> {
    // Lists the sources whose release file the update has fetched.
    const targets = await this.run(["apt-get", "indextargets", "--format", "$(RELEASE) $(REPO_URI)"]);
    const sources = targets.output.split("\n").map((line) => line.split(" "));
    if (sources.some(([name]) => name === release)) return null;
    // Backports are on the same mirror as the release.
    const mirror = sources.find(([name]) => name === release.replace("-backports", ""))?.[1] ?? DEBIAN_MIRROR;
    const file = join(this.sources, `simcse-webgpu-${release}.list`);
    try {
      await writeFile(file, `deb ${mirror} ${release} main\n`, { flag: "wx" });
      return file;
    } catch {
      return null;
    }
  }
}
