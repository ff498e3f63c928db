/**
 * Cards with the same name in a Linux machine. Dawn's package for Node takes the first adapter that has a name; the Vulkan layer that comes
 * with Mesa's drivers puts the card first whose PCI address is in DRI_PRIME.
 */
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

const devices = "sys/bus/pci/devices";
const layerFolders = ["usr/share", "usr/local/share", "etc"].map((folder) => `${folder}/vulkan/implicit_layer.d`);
const layer = "VkLayer_MESA_device_select.json";

/** The makers' numbers on the PCI bus, by WebGPU's names for them. */
const makers: Readonly<Record<string, string>> = { nvidia: "0x10de", amd: "0x1002", intel: "0x8086" };

/** PCI's class of displays and graphics processors. */
const graphics = "0x03";

/**
 * The PCI addresses of `count` cards of one kind from a maker, such as 0000:41:00.0, in ascending order. Null where they cannot be told: the
 * layer is missing, or the machine has another number of such cards, as a container may see cards that it cannot use.
 */
export async function equalCards(maker: string, count: number, root = "/"): Promise<readonly string[] | null> {
  if (!layerFolders.some((folder) => existsSync(join(root, folder, layer)))) return null;
  const kinds = new Map<string, string[]>();
  for (const address of (await readdir(join(root, devices)).catch(() => [])).sort()) {
    const field = async (name: string) => (await readFile(join(root, devices, address, name), "utf8").catch(() => "")).trim();
    const [kind, vendor, device] = await Promise.all([field("class"), field("vendor"), field("device")]);
    if (!kind.startsWith(graphics) || vendor !== makers[maker]) continue;
    kinds.set(device, [...(kinds.get(device) ?? []), address]);
  }
  const found = [...kinds.values()].filter((addresses) => addresses.length === count);
  return found.length === 1 ? found[0]! : null;
}

/** Runs `ask`, which lists a machine's cards before it returns, while the environment names a card to put first. */
export function withCardFirst<T>(address: string, ask: () => T): T {
  const before = process.env.DRI_PRIME;
  process.env.DRI_PRIME = `pci-${address.replaceAll(/[:.]/g, "_")}`;
  try {
    return ask();
  } finally {
    if (before === undefined) delete process.env.DRI_PRIME;
    else process.env.DRI_PRIME = before;
  }
}
