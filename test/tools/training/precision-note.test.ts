/** What a run says of its precision, for kinds of devices. */
import { expect, it } from "vitest";
import { knownDevices } from "../../../src/gpu/known-devices.ts";
import { precisionNote } from "../../../tools/training/precision-note.ts";

const noteOf = (kind: string, fp16: boolean) => {
  const { name, capabilities } = knownDevices.find((device) => device.name.includes(kind))!;
  return precisionNote(name, capabilities, fp16);
};

it("recommends --fp16 where matrix units would be idle, and nowhere else", () => {
  expect(noteOf("NVIDIA", false)).toMatch(/matrix units.*--fp16/);
  expect(noteOf("NVIDIA", true)).toBeNull();
  // Its matrix units multiply f16 into f16.
  expect(noteOf("Apple", false)).toBeNull();
});

it("says where f16 gains no time", () => {
  const core = knownDevices.find(({ capabilities }) => !capabilities.features.has("shader-f16"))!;
  expect(precisionNote(core.name, core.capabilities, true)).toMatch(/no shader-f16/);
  expect(precisionNote(core.name, core.capabilities, false)).toBeNull();
});
