/** A model's folder is sent to a hub on this machine: the repository is made, large files go to their storage, and one commit names all. */
import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { FileError, OptionError } from "../../../src/errors.ts";
import { pushFolder } from "../../../src/io/hub/push-node.ts";
import { temporaryFolder } from "../../tiny-model.ts";

const folder = await temporaryFolder();
const token = "hf_test";
const weights = Buffer.from(Array.from({ length: 5000 }, (_, i) => i % 251));
const oid = createHash("sha256").update(weights).digest("hex");

/** What the hub got: repositories, stored files by checksum, and the lines of the last commit. */
const got = {
  repositories: [] as string[],
  stored: new Map<string, Buffer>(),
  commit: [] as { key: string; value: Record<string, string> }[],
};

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

const server = createServer(async (request, response) => {
  const body = await bodyOf(request);
  const { url = "", headers } = request;
  const json = (value: object, status = 200) =>
    response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(value));
  if (url.startsWith("/storage/")) {
    got.stored.set(url.slice("/storage/".length), body);
    return response.writeHead(200).end();
  }
  if (headers.authorization !== `Bearer ${token}`) return json({ error: "unauthorized" }, 401);
  if (url === "/api/repos/create") {
    const { name, organization } = JSON.parse(body.toString()) as { name: string; organization: string };
    if (got.repositories.includes(`${organization}/${name}`)) return json({ error: "exists" }, 409);
    got.repositories.push(`${organization}/${name}`);
    return json({ url: `${address()}/${organization}/${name}`, id: "1" });
  }
  if (url.includes("/preupload/")) {
    const { files } = JSON.parse(body.toString()) as { files: { path: string }[] };
    const mode = (path: string) => (path.endsWith(".safetensors") ? "lfs" : "regular");
    return json({ files: files.map(({ path }) => ({ path, uploadMode: mode(path), shouldIgnore: false })) });
  }
  if (url.endsWith("/info/lfs/objects/batch")) {
    const { objects } = JSON.parse(body.toString()) as { objects: { oid: string; size: number }[] };
    const upload = (file: string) => ({ upload: { href: `${address()}/storage/${file}`, header: {} } });
    return json({ transfer: "basic", objects: objects.map((object) => ({ ...object, actions: upload(object.oid) })) });
  }
  if (url === "/api/models/me/model/commit/main") {
    got.commit = body
      .toString()
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as (typeof got.commit)[number]);
    return json({ commitOid: "c0ffee", commitUrl: "", pullRequestUrl: "", success: true, hookOutput: "" });
  }
  return json({ error: "unknown" }, 404);
});
const address = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

beforeAll(async () => {
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  for (const name of ["onnx", "checkpoint-5", "runs", ".cache"]) await mkdir(join(folder, name));
  const files = { "config.json": "{}", "README.md": "local", "checkpoint-5/config.json": "{}", "runs/events": "x", ".cache/x": "x" };
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  await writeFile(join(folder, "model.safetensors"), weights);
  await writeFile(join(folder, "onnx", "model.onnx"), "graph");
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
});

it("makes the repository and sends the model, its weights to the storage of large files", async () => {
  for (const _ of ["new", "there already"]) {
    const pushed = await pushFolder("me/model", folder, {
      endpoint: address(),
      token,
      message: "First",
      texts: { "README.md": "the card" },
    });
    expect(pushed).toEqual({
      url: `${address()}/me/model`,
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

it("says why it cannot", async () => {
  const given = { endpoint: address(), token };
  await expect(pushFolder("model", folder, given)).rejects.toThrow(OptionError);
  await expect(pushFolder("me/model", folder, { endpoint: address(), token: "" })).rejects.toThrow("only with a token");
  await expect(pushFolder("me/model", join(folder, "runs"), given)).rejects.toThrow("it is not a model");
  await expect(pushFolder("me/model", join(folder, "none"), given)).rejects.toThrow(FileError);
  await expect(pushFolder("me/model", folder, { ...given, token: "hf_other" })).rejects.toThrow(
    "does not let this token write me/model (401)",
  );
  await expect(pushFolder("me/model", folder, { ...given, revision: "none" })).rejects.toThrow("did not take me/model: 404");
});
