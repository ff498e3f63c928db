/** How the hub is asked: its address, the token, and what may help where it cannot be reached. */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { OptionError } from "../../errors.ts";
import { show } from "../../show.ts";

const HUB_ENDPOINT = "https://huggingface.co";

/** The options that decide it. */
export interface AccessOptions {
  readonly token?: string | undefined;
  readonly endpoint?: string | undefined;
}

/** The address of the hub, without a slash at its end. Throws OptionError for what is no address, such as a host's name alone. */
export function endpointOf({ endpoint }: Pick<AccessOptions, "endpoint">): string {
  const [place, given] = endpoint === undefined ? ["HF_ENDPOINT", process.env.HF_ENDPOINT] : ["The endpoint", endpoint];
  const address = given?.trim() || HUB_ENDPOINT;
  if (/^https?:\/\//i.test(address) && URL.canParse(address)) return address.replace(/\/+$/, "");
  throw new OptionError(`${place} is ${show(address)}, which is no address.`, "Write it in full, such as https://mirror.example.");
}

/** Whether a variable of the environment is set to one of the words that Python's libraries understand. */
export const isOn = (value: string | undefined): boolean => /^(1|on|yes|true)$/i.test(value ?? "");

/** A path with ~ for the home folder, which Python's library expands too. */
export const expanded = (path: string): string => path.replace(/^~(?=$|[\\/])/, homedir());

/** Where Python's library looks for a token, in its order, and what a message calls it. */
const TOKENS: readonly (readonly [place: string, read: () => string | undefined])[] = [
  ["HF_TOKEN", () => process.env.HF_TOKEN],
  ["HUGGING_FACE_HUB_TOKEN", () => process.env.HUGGING_FACE_HUB_TOKEN],
  ["The token that `hf auth login` left", savedToken],
];

/**
 * The token, or null: the option, or else the first of Python's places that has one, unless HF_HUB_DISABLE_IMPLICIT_TOKEN is set. White
 * space around it, such as a file's last line break, is not part of it. Throws OptionError for one that the hub did not give, before it is
 * sent there; mirrors give their own.
 */
export function tokenOf(options: AccessOptions): string | null {
  const implicit = isOn(process.env.HF_HUB_DISABLE_IMPLICIT_TOKEN) ? [] : TOKENS;
  const given = options.token === undefined ? implicit : ([["The token", () => options.token]] as const);
  for (const [place, read] of given) {
    const token = read()?.trim();
    if (!token) continue;
    if (token.startsWith("hf_") || endpointOf(options) !== HUB_ENDPOINT) return token;
    throw new OptionError(`${place} is none for the hub: it must begin with hf_.`, "Set HF_TOKEN to a token of your account, or unset it.");
  }
  return null;
}

/** The header of a request that carries the token; none without one. */
export function tokenHeaders(options: AccessOptions): Readonly<Record<string, string>> {
  const token = tokenOf(options);
  return token === null ? {} : { authorization: `Bearer ${token}` };
}

/** What the hub's client takes to ask with a token. It refuses those of mirrors, so a request gets these here. */
export function clientAccess(options: AccessOptions): { hubUrl: string; accessToken?: string; fetch?: typeof fetch } {
  const hubUrl = endpointOf(options);
  const token = tokenOf(options);
  if (token === null || token.startsWith("hf_")) return { hubUrl, ...(token !== null && { accessToken: token }) };
  const asking: typeof fetch = (input, init) => {
    // Large files go elsewhere, to addresses that need no token.
    if (!(input instanceof Request ? input.url : String(input)).startsWith(`${hubUrl}/`)) return fetch(input, init);
    const headers = new Headers(init?.headers);
    headers.set("authorization", `Bearer ${token}`);
    return fetch(input, { ...init, headers });
  };
  return { hubUrl, fetch: asking };
}

/** HF_TOKEN_PATH, or `token` in HF_HOME. */
function savedToken(): string | undefined {
  const { HF_TOKEN_PATH, HF_HOME, XDG_CACHE_HOME } = process.env;
  const home = HF_HOME || join(XDG_CACHE_HOME || join("~", ".cache"), "huggingface");
  try {
    return readFileSync(expanded(HF_TOKEN_PATH || join(home, "token")), "utf8");
  } catch {
    return undefined;
  }
}

/** Why a request failed. fetch only says that it did; the reason is in its cause, or in an error for each address that was tried. */
export function reasonOf(error: unknown): string {
  const cause = causeOf(error);
  if (!(cause instanceof Error)) return String(cause);
  return cause.message || attemptsOf(cause).map(reasonOf).join(", ") || cause.name;
}

const causeOf = (error: unknown): unknown => (error instanceof Error && error.cause instanceof Error ? error.cause : error);

/** The errors of a connection's attempts, one for each address of the server. */
const attemptsOf = (cause: object): readonly unknown[] =>
  "errors" in cause && Array.isArray(cause.errors) ? (cause.errors as unknown[]) : [];

/** What OpenSSL calls a certificate that was not signed by one that it knows. */
const UNKNOWN_SIGNER = /SELF_SIGNED_CERT|UNABLE_TO_GET_ISSUER_CERT|UNABLE_TO_VERIFY_LEAF_SIGNATURE/;

/** What helps in a network that lets requests through only in its own way, as companies' do, or slowly; null if it does not look like one. */
export function networkRemedy(error: unknown): string | null {
  const cause = causeOf(error);
  const { code } = (cause ?? {}) as { code?: unknown };
  if (typeof code === "string" && UNKNOWN_SIGNER.test(code)) {
    return "Name the file with your network's certificate in NODE_EXTRA_CA_CERTS.";
  }
  const proxy = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"].find((name) => process.env[name]);
  if (proxy !== undefined && !usesProxies())
    return `Set NODE_USE_ENV_PROXY=1, without which Node does not use ${proxy} (from its versions 22.21 and 24 on).`;
  // Node gives each address of a server a quarter of a second.
  const isHurried = code === "ETIMEDOUT" && cause instanceof Error && attemptsOf(cause).length > 0;
  return isHurried ? "Set NODE_OPTIONS=--network-family-autoselection-attempt-timeout=2000, and try again." : null;
}

/** Whether requests go through the proxy that the environment names. Deno and Bun do so by themselves, and Node if it is told to. */
function usesProxies(): boolean {
  const { env, execArgv, versions } = process;
  const isTold = env.NODE_USE_ENV_PROXY === "1" || /--use-env-proxy\b/.test([...execArgv, env.NODE_OPTIONS].join(" "));
  return isTold || "deno" in versions || "bun" in versions;
}
