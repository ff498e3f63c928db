/** Tokens for the hub, from the places where Python's library finds them, and advice for networks of companies. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, expect, it, vi } from "vitest";
import { OptionError } from "../../../src/errors.ts";
import { endpointOf, networkRemedy, reasonOf, tokenOf } from "../../../src/io/hub/access-node.ts";
import { temporaryFolder } from "../../tiny-model.ts";

const home = await temporaryFolder();
const variables = [
  "HF_TOKEN",
  "HUGGING_FACE_HUB_TOKEN",
  "HF_TOKEN_PATH",
  "HF_ENDPOINT",
  "XDG_CACHE_HOME",
  "HF_HUB_DISABLE_IMPLICIT_TOKEN",
  "NODE_USE_ENV_PROXY",
];
const proxies = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"];

beforeEach(() => {
  for (const name of [...variables, ...proxies]) vi.stubEnv(name, "");
  vi.stubEnv("HF_HOME", join(home, "empty"));
  return () => vi.unstubAllEnvs();
});

it("is the option, or the first that Python would find, without the white space around it", async () => {
  expect(tokenOf({})).toBeNull();
  const place = join(home, ".cache", "huggingface");
  await mkdir(place, { recursive: true });
  await writeFile(join(place, "token"), "hf_saved\n");
  vi.stubEnv("HF_HOME", place);
  expect(tokenOf({})).toBe("hf_saved");
  vi.stubEnv("HF_HOME", "").stubEnv("XDG_CACHE_HOME", join(home, ".cache"));
  expect(tokenOf({})).toBe("hf_saved");
  vi.stubEnv("XDG_CACHE_HOME", "").stubEnv("HOME", home).stubEnv("USERPROFILE", home);
  expect(tokenOf({})).toBe("hf_saved");
  await writeFile(join(home, "other"), "hf_elsewhere");
  vi.stubEnv("HF_TOKEN_PATH", "~/other");
  expect(tokenOf({})).toBe("hf_elsewhere");
  vi.stubEnv("HUGGING_FACE_HUB_TOKEN", "hf_older");
  expect(tokenOf({})).toBe("hf_older");
  vi.stubEnv("HF_TOKEN", " \n");
  expect(tokenOf({})).toBe("hf_older");
  vi.stubEnv("HF_TOKEN", "hf_secret\n");
  expect(tokenOf({})).toBe("hf_secret");
  expect(tokenOf({ token: "hf_given" })).toBe("hf_given");
  expect(tokenOf({ token: "" })).toBeNull();
  vi.stubEnv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1");
  expect(tokenOf({})).toBeNull();
  expect(tokenOf({ token: "hf_given" })).toBe("hf_given");
});

it("may be any text for a mirror, and not for the hub", () => {
  vi.stubEnv("HF_TOKEN", "of-the-mirror");
  expect(() => tokenOf({})).toThrow(OptionError);
  expect(() => tokenOf({})).toThrow("HF_TOKEN is none for the hub");
  vi.stubEnv("HF_ENDPOINT", "https://artifacts.example/hub");
  expect(tokenOf({})).toBe("of-the-mirror");
});

it("asks the hub, or a mirror whose address is one", () => {
  expect(endpointOf({})).toBe("https://huggingface.co");
  vi.stubEnv("HF_ENDPOINT", " https://artifacts.example/hub/\r\n");
  expect(endpointOf({})).toBe("https://artifacts.example/hub");
  expect(endpointOf({ endpoint: "HTTP://other.example//" })).toBe("HTTP://other.example");
  for (const wrong of ["mirror.example", "file:///srv/models", "https://"]) {
    vi.stubEnv("HF_ENDPOINT", wrong);
    expect(() => endpointOf({})).toThrow(OptionError);
    expect(() => endpointOf({})).toThrow(`HF_ENDPOINT is "${wrong}", which is no address.`);
  }
});

it("names the variable that lets requests through a company's proxy, or past its certificate", () => {
  const failed = (code: string) => new TypeError("fetch failed", { cause: Object.assign(new Error("refused"), { code }) });
  expect(networkRemedy(failed("ENOTFOUND"))).toBeNull();
  expect(networkRemedy(failed("SELF_SIGNED_CERT_IN_CHAIN"))).toContain("NODE_EXTRA_CA_CERTS");
  vi.stubEnv("https_proxy", "http://proxy.example:3128");
  expect(networkRemedy(failed("ENOTFOUND"))).toContain("Set NODE_USE_ENV_PROXY=1, without which Node does not use https_proxy");
  expect(networkRemedy(failed("UNABLE_TO_VERIFY_LEAF_SIGNATURE"))).toContain("NODE_EXTRA_CA_CERTS");
  vi.stubEnv("NODE_OPTIONS", "--max-old-space-size=4096 --use-env-proxy");
  expect(networkRemedy(failed("ENOTFOUND"))).toBeNull();
  vi.stubEnv("NODE_OPTIONS", "");
  vi.stubEnv("NODE_USE_ENV_PROXY", "1");
  expect(networkRemedy(failed("ENOTFOUND"))).toBeNull();
});

it("gives the reason of each attempt to connect, and more time where Node gave up too soon", () => {
  const attempt = (address: string) => new Error(`connect ETIMEDOUT ${address}`);
  const all = Object.assign(new AggregateError([attempt("10.0.0.1:443"), attempt("::1:443")]), { code: "ETIMEDOUT" });
  const failed = new TypeError("fetch failed", { cause: all });
  expect(reasonOf(failed)).toBe("connect ETIMEDOUT 10.0.0.1:443, connect ETIMEDOUT ::1:443");
  expect(networkRemedy(failed)).toContain("--network-family-autoselection-attempt-timeout");
  expect(reasonOf(new TypeError("fetch failed", { cause: new AggregateError([]) }))).toBe("AggregateError");
});
