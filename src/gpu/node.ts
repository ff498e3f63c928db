/** Opens a device in Node through Dawn. This is the only file that imports the `webgpu` package. */
import { DeviceError } from "../errors.ts";
import { optionalPackage } from "../optional-package.ts";
import { quoted } from "../show.ts";
import { withCardFirst } from "./cards-node.ts";
import { type Device, type DeviceOptions, openDeviceOn, waitPlainly } from "./device.ts";
import { waitPatiently } from "./patience-node.ts";

/** Options of `openDevice` in Node. */
export interface NodeDeviceOptions extends DeviceOptions {
  /** `null` validates every shader and runs nothing; it offers every feature on a machine without any driver. */
  readonly backend?: "null" | "vulkan" | "metal" | "d3d12" | undefined;
  /** Choose the adapter whose name contains this. */
  readonly adapter?: string | undefined;
  /**
   * Of cards with the same name, the one with this PCI address, such as 0000:41:00.0. Only on Linux with the Vulkan layer of Mesa's drivers;
   * without it, it is the first card.
   */
  readonly card?: string | undefined;
}

/**
 * Dawn's instances, by what the devices of each were asked for. All such devices share one, because each instance has threads of its own and
 * lists the machine's adapters anew. One that failed, or whose device was lost, opens no other: the adapters may be others now.
 */
const instances = new Map<string, GPU>();

/** Instances with a device are kept for good: Node crashes if some of them are garbage-collected together with their devices. */
const withDevices = new Set<GPU>();

/** Features that Dawn hides by default: subgroup matrices, f16 on NVIDIA's Vulkan driver, and timestamps that are not rounded to 0.1 ms. */
const toggles = ["enable-dawn-features=allow_unsafe_apis,vulkan_enable_f16_on_nvidia", "disable-dawn-features=timestamp_quantization"];

/**
 * The names of this machine's adapters, which `adapter` is compared with, and how many cards have each. Dawn lists adapters only in its error
 * for one that is not there, a card once for each backend.
 */
export async function adapterNames(): Promise<ReadonlyMap<string, number>> {
  const { create } = await optionalPackage("webgpu", "list the adapters of Dawn", import("webgpu"));
  const gpu = create(["adapter=no adapter has this name"]);
  const message = await gpu.requestAdapter().then(
    () => "",
    (error: Error) => error.message,
  );
  const ofBackends = new Map<string, Map<string, number>>();
  for (const [, backend, name] of message.matchAll(/^ \* backend: '(.*)', name: '(.*)'$/gm)) {
    const counts = ofBackends.get(name!) ?? new Map<string, number>();
    ofBackends.set(name!, counts.set(backend!, (counts.get(backend!) ?? 0) + 1));
  }
  return new Map([...ofBackends].map(([name, counts]) => [name, Math.max(...counts.values())]));
}

/** Opens a WebGPU device. Throws `DeviceError` where there is no driver, and `PackageError` where the package `webgpu` is not installed. */
export async function openDevice(options: NodeDeviceOptions = {}): Promise<Device> {
  const { create, globals } = await optionalPackage("webgpu", "open a device with Dawn", import("webgpu"));
  // Deno has names of its own for these.
  for (const [name, value] of Object.entries(globals)) if (!(name in globalThis)) Object.assign(globalThis, { [name]: value });
  const flags = [...toggles];
  if (options.backend) flags.push(`backend=${options.backend}`);
  if (options.adapter) flags.push(`adapter=${options.adapter}`);
  const { card } = options;
  const asked = JSON.stringify([flags, card]);
  const gpu = instances.get(asked) ?? create(flags);
  instances.set(asked, gpu);
  const drop = () => {
    if (instances.get(asked) === gpu) instances.delete(asked);
  };
  try {
    const device = await openDeviceOn(gpu, options, {
      waitFor: (_, software) => (software ? waitPatiently : waitPlainly),
      asking: card === undefined ? undefined : (ask) => withCardFirst(card, ask),
    });
    withDevices.add(gpu);
    void device.lost.then(({ reason }) => {
      if (reason !== "destroyed") drop();
    });
    return device;
  } catch (error) {
    drop();
    throw (await unknownAdapter(options)) ?? error;
  }
}

/** The error for a name that no adapter has; null if one has it, or there is no adapter. */
async function unknownAdapter({ adapter }: NodeDeviceOptions): Promise<DeviceError | null> {
  if (adapter === undefined) return null;
  const names = [...(await adapterNames()).keys()];
  if (names.length === 0 || names.some((name) => name.includes(adapter))) return null;
  return new DeviceError(`No adapter's name contains ${quoted(adapter)}.`, `There are ${names.map((name) => quoted(name)).join(", ")}.`);
}
