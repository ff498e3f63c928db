/** A package that is not there is named with the command that installs it, whatever loads modules; any other failure stays what it is. */
import { expect, it } from "vitest";
import { PackageError } from "../src/errors.ts";
import { optionalPackage } from "../src/optional-package.ts";

/** What loading fails with. */
const failed = (code: string) => Promise.reject(Object.assign(new Error("from the loader"), { code }));

it.each(["ERR_MODULE_NOT_FOUND", "MODULE_NOT_FOUND"])("a package that is not there, as %s", async (code) => {
  const error = await optionalPackage("some-package", "do this", failed(code)).catch((refusal: unknown) => refusal);
  expect(error).toBeInstanceOf(PackageError);
  expect(error).toMatchObject({
    message: "The package some-package is needed to do this, and is not installed.",
    remedy: "Run `npm install some-package`.",
  });
});

it("a package that fails for another reason", async () => {
  await expect(optionalPackage("some-package", "do this", failed("ERR_DLOPEN_FAILED"))).rejects.toThrow("from the loader");
});
