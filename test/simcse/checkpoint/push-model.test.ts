/** A model is sent to a hub on this machine with a card that says how it is loaded. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { pushModel } from "../../../src/simcse/checkpoint/push-model-node.ts";
import { SimCSE } from "../../../src/simcse/simcse-node.ts";
import { openTestDevice } from "../../device.ts";
import { committedText, startPushServer, token } from "../../io/hub/push-server.ts";
import { temporaryFolder, writeTinyModel } from "../../tiny-model.ts";

const folder = await temporaryFolder();
await writeTinyModel(folder);
const { address: endpoint, got } = await startPushServer();

it("says which pooler it assumed for a folder that names none", async () => {
  const sent = await pushModel("me/model", folder, { endpoint, token, license: "mit", language: ["en"] });
  expect(sent).toMatchObject({ assumedPooler: "avg", commit: "c0ffee" });
  const card = committedText(got, "README.md");
  expect(card).toMatch(/^---\nlicense: mit\nlanguage:\n- en\n/);
  expect(card).toContain("pooler `avg`");
  expect(await pushModel("me/model", folder, { endpoint, token, pooler: "cls" })).toMatchObject({ assumedPooler: null });
  expect(committedText(got, "README.md")).toContain("pooler `cls`");
  await expect(pushModel("me/model", folder, { endpoint, token, texts: {} } as never)).rejects.toThrow('push has no option "texts".');
});

it("sends a loaded model in one call", async () => {
  await using model = await SimCSE.load(folder, { pooler: "cls_before_pooler", device: await openTestDevice() });
  const { files } = await model.push("me/model", { endpoint, token, license: "apache-2.0" });
  expect(files).toEqual(expect.arrayContaining(["README.md", "config.json", "model.safetensors", "tokenizer_config.json"]));
  expect(JSON.parse(committedText(got, "config.json"))).toMatchObject({ simcse: { pooler_type: "cls_before_pooler" } });
  const card = committedText(got, "README.md");
  expect(card).toMatch(/^---\nlicense: apache-2.0\n/);
  expect(card).toContain('SimCSE.load("me/model"');
  expect(card).toContain("pooler `cls_before_pooler`");
  const named = await temporaryFolder();
  await writeFile(join(named, "config.json"), committedText(got, "config.json"));
  await expect(pushModel("me/model", named, { endpoint, token, pooler: "avg" })).rejects.toThrow(
    "a model with the pooler cls_before_pooler",
  );
  // A card that was written when the folder had another name.
  await writeFile(join(named, "README.md"), card.replaceAll("me/model", "out"));
  await pushModel("me/model", named, { endpoint, token });
  expect(committedText(got, "README.md")).toBe(card);
});
