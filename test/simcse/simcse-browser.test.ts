/** What the browser's `SimCSE` answers where it is given a name in the place of an address. */
import { expect, it } from "vitest";
import { FileError } from "../../src/errors.ts";
import { SimCSE } from "../../src/simcse/simcse-browser.ts";

it("a model's name on the hub is answered with its address", async () => {
  const missing = async () => new Response(null, { status: 404 });
  const named = SimCSE.load("lab/model", { fetch: missing });
  await expect(named).rejects.toThrow(FileError);
  await expect(named).rejects.toMatchObject({
    message: "lab/model/config.json does not exist beside the page.",
    remedy: expect.stringContaining("its address is https://huggingface.co/lab/model."),
  });
});

// Of the first releases of sentence-transformers, with the transformer in a folder of its own; and an adapter, whose base is elsewhere.
it.each(["config.json", "modules.json", "adapter_config.json"])("a folder beside the page with %s is opened", async (file) => {
  const asked: string[] = [];
  const there = async (url: unknown) => {
    asked.push(String(url));
    return String(url).endsWith(`/${file}`) ? new Response("{}") : new Response(null, { status: 404 });
  };
  await expect(SimCSE.load("models/mine", { fetch: there })).rejects.not.toThrow("beside the page");
  expect(asked[0]).toBe("models/mine/config.json");
});
