import { runInNewContext } from "node:vm";
import { expect, it } from "vitest";
import { errorCode } from "../../../src/io/folders/errno-node.ts";

it("reads the operating system's code, also of an error of another context, as Node's are in Jest", () => {
  const foreign: unknown = runInNewContext('Object.assign(new Error("no such file"), { code: "ENOENT" })');
  expect(foreign).not.toBeInstanceOf(Error);
  expect(errorCode(foreign)).toBe("ENOENT");
  expect(errorCode(Object.assign(new Error("a timeout"), { code: "ABORT_ERR" }))).toBeUndefined();
  expect([undefined, null, "ENOENT", 5, new Error("none")].map(errorCode)).toEqual(Array(5).fill(undefined));
});
