/** `--devices`: several devices for one command, each on an adapter of its own; on a software adapter they share its cores. */
import { InvalidArgumentError, Option } from "commander";
import { DeviceError, OptionError } from "../../src/errors.ts";
import { equalCards } from "../../src/gpu/cards-node.ts";
import type { Device } from "../../src/gpu/device.ts";
import { adapterNames } from "../../src/gpu/node.ts";
import { type AdapterOptions, openAdapter } from "./open-adapter.ts";

export interface DeviceFlags {
  readonly adapter?: string;
  readonly devices?: DeviceChoice;
}

/** How many devices, or the names of their adapters. */
export type DeviceChoice = number | readonly string[];

/** The options that choose devices. */
export const deviceOptions: readonly Option[] = [
  new Option("--adapter <name>", "use the adapter whose name contains this"),
  new Option(
    "--devices <n|names>",
    "share the work among several devices: how many, or a part of each adapter's name, such as 2 or RTX,Arc (default: 1)",
  ).argParser(deviceChoice),
];

function deviceChoice(text: string): DeviceChoice {
  if (/^\s*[-+.\d]+\s*$/.test(text)) {
    const count = Number(text);
    if (Number.isInteger(count) && count >= 1 && count <= mostDevices) return count;
    throw new InvalidArgumentError(`Give a whole number from 1 to ${mostDevices}, or names.`);
  }
  const names = text.split(",").map((name) => name.trim());
  if (names.includes("")) throw new InvalidArgumentError("Give names, such as RTX,Arc.");
  return names;
}

/** More than any machine has; a larger number is a mistake. */
const mostDevices = 64;

/**
 * The devices of a command, one if `--devices` is not given. With `fewer`, for a run that lost some, those that can still be opened. Throws
 * `DeviceError` if there are not enough adapters, and `OptionError` for options that exclude each other or an adapter named twice.
 */
export async function openDevices({ adapter, devices = 1 }: DeviceFlags, { fewer = false } = {}): Promise<[Device, ...Device[]]> {
  if (adapter !== undefined && devices !== 1)
    throw new OptionError("--adapter and --devices exclude each other.", "Name the adapters with --devices.");
  const opened: Device[] = [];
  try {
    if (typeof devices === "number") {
      opened.push(await openAdapter({ adapter }));
      await openMore(opened, devices);
    } else for (const name of devices) await openNamed(opened, name, fewer);
    const wanted = typeof devices === "number" ? devices : devices.length;
    if (opened.length === 0 || (opened.length < wanted && !fewer)) throw tooFew(wanted, opened);
    return opened as [Device, ...Device[]];
  } catch (error) {
    for (const device of opened) device.close();
    throw error;
  }
}

/** Opens devices like the first one: on a software adapter the same one again, otherwise every other GPU. */
async function openMore(opened: Device[], wanted: number): Promise<void> {
  const [first] = opened as [Device];
  if (first.capabilities.software) {
    while (opened.length < wanted) opened.push(await openAdapter(likeFirst(opened)));
    return;
  }
  if (wanted === 1) return;
  const like = likeFirst(opened);
  for (const [adapter, count] of await adapterNames()) {
    if (opened.length >= wanted) return;
    const device = await openAdapter({ adapter, ...like });
    const isFirst = isSameAdapter(first, device);
    const cards = count === 1 || device.capabilities.software ? null : await equalCards(device.info.vendor, count);
    if (cards === null) {
      if (device.capabilities.software || opened.some((other) => isSameAdapter(other, device))) device.close();
      else opened.push(device);
      continue;
    }
    device.close();
    // Which of the cards the first device is on cannot be told, so it is opened anew.
    if (isFirst) opened.shift()!.close();
    for (const card of cards.slice(0, wanted - opened.length)) opened.push(await openAdapter({ adapter, card, ...like }));
  }
}

async function openNamed(opened: Device[], adapter: string, fewer: boolean): Promise<void> {
  const device = await openAdapter({ adapter, ...likeFirst(opened) }).catch((error: unknown) => {
    if (fewer && error instanceof DeviceError) return null;
    throw error;
  });
  if (device === null) return;
  const isTwice = !device.capabilities.software && opened.some((other) => isSameAdapter(other, device));
  opened.push(device);
  if (isTwice)
    throw new OptionError(
      `--devices ${adapter} is ${device.name}, which is already taken.`,
      "Name each adapter once; a number of devices takes cards with the same name too.",
    );
}

/** All devices bind as much at once as the first, so that a model's parameters lie alike on all. */
function likeFirst([first]: readonly Device[]): Pick<AdapterOptions, "largestBinding"> {
  return { largestBinding: first?.capabilities.limits.maxStorageBufferBindingSize };
}

function isSameAdapter({ info: a }: Device, { info: b }: Device): boolean {
  return a.vendor === b.vendor && a.architecture === b.architecture && a.device === b.device && a.description === b.description;
}

function tooFew(wanted: number, opened: readonly Device[]): DeviceError {
  return new DeviceError(
    `--devices asks for ${wanted} devices, and ${opened.length === 1 ? "one adapter" : `${opened.length} adapters`} can be told apart here: ${opened.map(({ name }) => name).join(", ")}.`,
    "Ask for fewer. Cards with the same name are told apart on Linux with the Vulkan layer of Mesa's drivers (mesa-vulkan-drivers); elsewhere only the first can be opened, and a process for each can encode (see docs/searching.md in the repository).",
  );
}
