/** What requests may call the model, if the command does not say it. */
import { existsSync } from "node:fs";
import { basename, resolve } from "node:path";
import { isHubName } from "../../src/io/hub-node.ts";

/** The name of the model's folder; for a model of the hub also its whole name, which clients often send. */
export function servedNames(model: string): readonly [string, ...string[]] {
  const name = basename(resolve(model));
  return model !== name && isHubName(model) && !existsSync(model) ? [name, model] : [name];
}
