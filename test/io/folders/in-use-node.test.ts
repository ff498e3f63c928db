import { expect, it } from "vitest";
import { rename } from "../../../src/io/folders/in-use-node.ts";

/** Fails so many times with a code of the operating system, then works; tells how often it was called. */
function failing(times: number, code: string) {
  let calls = 0;
  const attempt = async () => {
    if (calls++ < times) throw Object.assign(new Error(code), { code });
  };
  return { attempt, calls: () => calls };
}

it.each(["EPERM", "EBUSY", "EACCES"])("tries again on Windows where a file is in use for a moment: %s", async (code) => {
  const { attempt, calls } = failing(2, code);
  await rename("a", "b", attempt, "win32");
  expect(calls()).toBe(3);
});

it.each([
  ["on Windows, another error", "ENOENT", "win32"],
  ["elsewhere, any error", "EPERM", "linux"],
])("%s is thrown at once", async (_, code, platform) => {
  const { attempt, calls } = failing(1, code);
  await expect(rename("a", "b", attempt, platform)).rejects.toThrow(code);
  expect(calls()).toBe(1);
});
