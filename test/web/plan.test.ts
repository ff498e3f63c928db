/** The settings that the app proposes for a model and the visitor's data. */
import { afterAll, expect, it } from "vitest";
import { SimCSE } from "../../src/index.ts";
import { openFolder } from "../../src/io/folder-node.ts";
import type { LoadedData } from "../../web/worker/loaded-data.ts";
import { resolvedPlan } from "../../web/worker/plan.ts";
import type { ModelFacts } from "../../web/worker/protocol.ts";
import { Session } from "../../web/worker/session.ts";
import { openTestDevice } from "../device.ts";
import { goldenModel } from "../golden/golden-model.ts";
import { temporaryFolder, writeTinyModel } from "../tiny-model.ts";

const device = await openTestDevice();
const session = new Session();
afterAll(() => session.model.simcse.close());

const text = (kind: LoadedData["kind"], texts: readonly string[]) => {
  const training = Array.from({ length: 64 }, () => ({ texts }));
  return { kind, training, held: [], facts: { lengths: { p95: 9 } } } as unknown as LoadedData;
};

const loaded = {
  /** Without dropout of its own, as published. */
  albert: () => SimCSE.loadFrom(device, goldenModel("albert"), { pooler: "avg" }),
  tiny: async () => {
    const path = await temporaryFolder();
    await writeTinyModel(path);
    return SimCSE.loadFrom(device, await openFolder(path), { pooler: "avg" });
  },
};

it.each([
  ["albert", "sentences", ["he plays"], 0.1],
  ["albert", "pairs", ["he plays", "guitar"], null],
  ["tiny", "sentences", ["he plays"], null],
] as const)("gives an %s on %s the paper's dropout only where nothing else makes pairs", async (model, kind, texts, dropout) => {
  const simcse = await loaded[model]();
  session.setModel({ simcse, facts: { longest: 64 } as unknown as ModelFacts, folder: goldenModel("albert") });
  session.setData(text(kind, texts));
  const { settings, steps } = resolvedPlan(session, {});
  expect(settings).toMatchObject({ dropout, batchSize: 8, maxLength: 16 });
  expect(steps).toBe(kind === "pairs" ? 24 : 8);
});
