/** A hub on this machine that takes models: it makes repositories, stores large files, and takes commits to `main`. */
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll } from "vitest";

export const token = "hf_test";

/** A line of a commit. */
interface CommitLine {
  readonly key: string;
  readonly value: Record<string, string>;
}

/** What the hub got: repositories, stored files by checksum, and the lines of the last commit. */
export interface Got {
  readonly repositories: string[];
  readonly stored: Map<string, Buffer>;
  commit: CommitLine[];
}

/** The text of a file of the last commit that is not in large-file storage. */
export function committedText({ commit }: Got, path: string): string {
  return Buffer.from(commit.find(({ value }) => value.path === path)!.value.content!, "base64").toString();
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Starts it for the tests of a file; requests must carry the token. */
export async function startPushServer(accepted = token): Promise<{ readonly address: string; readonly got: Got }> {
  const got: Got = { repositories: [], stored: new Map(), commit: [] };
  const server = createServer(async (request, response) => {
    const body = await bodyOf(request);
    const { url = "", headers } = request;
    const json = (value: object, status = 200) =>
      response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(value));
    if (url.startsWith("/storage/")) {
      got.stored.set(url.slice("/storage/".length), body);
      return response.writeHead(200).end();
    }
    if (headers.authorization !== `Bearer ${accepted}`) return json({ error: "unauthorized" }, 401);
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
        .map((line) => JSON.parse(line) as CommitLine);
      return json({ commitOid: "c0ffee", commitUrl: "", pullRequestUrl: "", success: true, hookOutput: "" });
    }
    return json({ error: "unknown" }, 404);
  });
  const address = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  return { address: address(), got };
}
