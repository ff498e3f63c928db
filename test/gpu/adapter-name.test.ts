import { expect, it } from "vitest";
import { adapterName } from "../../src/gpu/adapter-name.ts";

const unknown = { vendor: "", architecture: "", device: "", description: "", isFallbackAdapter: false };

it.each([
  ["the card and its driver", { device: "nvidia-h100", description: "NVIDIA: 580.1" }, "nvidia-h100, NVIDIA: 580.1"],
  [
    "a software driver alone",
    { device: "llvmpipe-256-bits", description: "llvmpipe: Mesa 25", isFallbackAdapter: true },
    "llvmpipe: Mesa 25",
  ],
  ["a description in place of a number", { device: "0x2684", description: "NVIDIA GeForce RTX 4090" }, "NVIDIA GeForce RTX 4090"],
  ["a browser that tells little", { vendor: "apple", architecture: "metal-3" }, "apple metal-3"],
  ["one that tells nothing", {}, "unnamed adapter"],
])("names %s", (_, info, name) => {
  expect(adapterName({ ...unknown, ...info })).toBe(name);
});
