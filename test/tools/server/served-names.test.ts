/** What requests may call a model. */
import { expect, it } from "vitest";
import { servedNames } from "../../../tools/server/served-names.ts";

it("is its folder's name; a model of the hub also has its whole name", () => {
  expect(servedNames("sentence-transformers/all-MiniLM-L6-v2")).toEqual(["all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2"]);
  expect(servedNames("bert-base-uncased")).toEqual(["bert-base-uncased"]);
  expect(servedNames("test/tools")).toEqual(["tools"]);
  expect(servedNames("/models/mine/")).toEqual(["mine"]);
});
