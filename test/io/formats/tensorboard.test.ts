import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { crc32c, eventFileName, fileHeader, type ScalarEvent, scalarRecord, startRecord } from "../../../src/io/formats/tensorboard.ts";

const golden = JSON.parse(readFileSync(new URL("../../golden/tensorboard.json", import.meta.url), "utf8")) as {
  crc32c: Record<string, number>;
  start: number;
  events: ScalarEvent[];
  file: string;
};

it("an event file has the bytes of an independent writer", () => {
  const file = [fileHeader(golden.start), startRecord(golden.start, 1), ...golden.events.map(scalarRecord)];
  expect(Buffer.concat(file).toString("hex")).toBe(golden.file);
});

it("crc32c has the check value of the CRC catalogue", () => {
  for (const [text, crc] of Object.entries(golden.crc32c)) expect(crc32c(new TextEncoder().encode(text))).toBe(crc);
});

it("a file has a name that TensorBoard looks for", () => {
  expect(eventFileName(1700000000.9, "here.7")).toBe("events.out.tfevents.1700000000.here.7");
});
