/** Cards with the same name, in a machine made of files. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { equalCards, withCardFirst } from "../../src/gpu/cards-node.ts";

const root = mkdtempSync(join(tmpdir(), "simcse-cards-"));
afterAll(() => rmSync(root, { recursive: true }));

function write(path: string, text: string): void {
  mkdirSync(join(root, path, ".."), { recursive: true });
  writeFileSync(join(root, path), text);
}

const layer = "usr/share/vulkan/implicit_layer.d/VkLayer_MESA_device_select.json";
const bus = {
  "0000:c1:00.0": ["0x030200", "0x10de", "0x2330"],
  "0000:41:00.0": ["0x030200", "0x10de", "0x2330"],
  "0000:81:00.0": ["0x030000", "0x10de", "0x2684"],
  // A server's console, and a network card of the same maker.
  "0000:02:00.0": ["0x030000", "0x1a03", "0x2000"],
  "0000:03:00.0": ["0x020000", "0x10de", "0x2330"],
};
for (const [address, values] of Object.entries(bus)) {
  for (const [i, name] of ["class", "vendor", "device"].entries()) write(`sys/bus/pci/devices/${address}/${name}`, `${values[i]}\n`);
}

it("finds the cards of a kind by their number, where a layer can choose between them", async () => {
  expect(await equalCards("nvidia", 2, root)).toBe(null);
  write(layer, "{}");
  expect(await equalCards("nvidia", 2, root)).toEqual(["0000:41:00.0", "0000:c1:00.0"]);
  // More cards than can be used, as in a container; two kinds with as many cards; another maker.
  expect(await equalCards("nvidia", 3, root)).toBe(null);
  write("sys/bus/pci/devices/0000:82:00.0/class", "0x030000");
  write("sys/bus/pci/devices/0000:82:00.0/vendor", "0x10de");
  write("sys/bus/pci/devices/0000:82:00.0/device", "0x2684");
  expect(await equalCards("nvidia", 2, root)).toBe(null);
  expect(await equalCards("amd", 2, root)).toBe(null);
});

it("names the card only while the adapter is asked for", () => {
  const before = process.env.DRI_PRIME;
  expect(withCardFirst("0000:41:00.0", () => process.env.DRI_PRIME)).toBe("pci-0000_41_00_0");
  expect(() =>
    withCardFirst("0000:41:00.0", () => {
      throw new Error("no driver");
    }),
  ).toThrow("no driver");
  expect(process.env.DRI_PRIME).toBe(before);
});
