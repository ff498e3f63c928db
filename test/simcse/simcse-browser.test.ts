/** What the browser's `SimCSE` answers where it is given a name in the place of an address. */
import { expect, it } from "vitest";
import { FileError } from "../../src/errors.ts";
import { SimCSE } from "../../src/simcse/simcse-browser.ts";

it("a model's name on the hub is answered with its address, unless it is a folder beside the page", async () => {
  const missing = async () => new Response(null, { status: 404 });
  const named = SimCSE.load("lab/model", { fetch: missing });
  await expect(named).rejects.toThrow(FileError);
  await expect(named).rejects.toMatchObject({
    message: "lab/model/config.json does not exist beside the page.",
    remedy: expect.stringContaining("its address is https://huggingface.co/lab/model."),
  });
  const asked: string[] = [];
  const there = async (url: unknown) => {
    asked.push(String(url));
    return new Response("{}");
  };
  await expect(SimCSE.load("models/mine", { fetch: there })).rejects.not.toThrow("beside the page");
  expect(asked[0]).toBe("models/mine/config.json");
});
