/** A model's folder is sent to a hub on this machine: the repository is made, large files go to their storage, and one commit names all. */
import { createHash } from "node:crypto";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { FileError, OptionError } from "../../../src/errors.ts";
import { pushFolder } from "../../../src/io/hub/push-node.ts";
import { temporaryFolder } from "../../tiny-model.ts";
import { startPushServer, token } from "./push-server.ts";

const folder = await temporaryFolder();
const { address, got } = await startPushServer();
const weights = Buffer.from(Array.from({ length: 5000 }, (_, i) => i % 251));
const oid = createHash("sha256").update(weights).digest("hex");

beforeAll(async () => {
  for (const name of ["onnx", "checkpoint-5", "runs", ".cache"]) await mkdir(join(folder, name));
  const files = { "config.json": "{}", "README.md": "local", "checkpoint-5/config.json": "{}", "runs/events": "x", ".cache/x": "x" };
  for (const name of ["log.jsonl", "trainer_state.json", "optimizer.safetensors"]) await writeFile(join(folder, name), "of the run");
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  await writeFile(join(folder, "model.safetensors"), weights);
  await writeFile(join(folder, ".cache", "graph"), "graph");
  await symlink(join(folder, ".cache", "graph"), join(folder, "onnx", "model.onnx"));
});

it("makes the repository and sends the model, its weights to the storage of large files", async () => {
  for (const _ of ["new", "there already"]) {
    const pushed = await pushFolder("me/model", folder, {
      endpoint: address,
      token,
      message: "First",
      texts: { "README.md": "the card" },
    });
    expect(pushed).toEqual({
      url: `${address}/me/model`,
      commit: "c0ffee",
      files: ["README.md", "config.json", "model.safetensors", "onnx/model.onnx"],
    });
  }
  expect(got.repositories).toEqual(["me/model"]);
  expect(got.stored.get(oid)).toEqual(weights);
  const [header, ...files] = got.commit;
  expect(header!.value.summary).toBe("First");
  const sent = files.map(({ key, value }) => [key, value.path, value.oid ?? Buffer.from(value.content!, "base64").toString()]);
  expect(sent.toSorted()).toEqual([
    ["file", "README.md", "the card"],
    ["file", "config.json", "{}"],
    ["file", "onnx/model.onnx", "graph"],
    ["lfsFile", "model.safetensors", oid],
  ]);
});

it("sends with the token of a mirror, which is no token of the hub's", async () => {
  const mirror = await startPushServer("of-the-mirror");
  await pushFolder("me/model", folder, { endpoint: mirror.address, token: "of-the-mirror" });
  expect(mirror.got.repositories).toEqual(["me/model"]);
  expect(mirror.got.stored.get(oid)).toEqual(weights);
});

it("says why it cannot", async () => {
  const given = { endpoint: address, token };
  await expect(pushFolder("model", folder, given)).rejects.toThrow(OptionError);
  await expect(pushFolder("me/model", folder, { endpoint: address, token: "" })).rejects.toThrow("only with a token");
  await expect(pushFolder("me/model", join(folder, "runs"), given)).rejects.toThrow("it is not a model");
  await expect(pushFolder("me/model", join(folder, "none"), given)).rejects.toThrow(FileError);
  await expect(pushFolder("me/model", folder, { ...given, token: "hf_other" })).rejects.toThrow(
    "does not let this token write me/model (401)",
  );
  await expect(pushFolder("me/model", folder, { ...given, revision: "none" })).rejects.toThrow("did not take me/model: 404");
});
