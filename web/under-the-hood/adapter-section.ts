/** The page's description of its device, and of errors. */
import type { Device } from "../../src/gpu/device.ts";
import { byId, make } from "./dom.ts";
import type { Failure } from "./outcome.ts";
import type { Profile } from "./parameters.ts";

const facts = byId("adapter", HTMLElement);
const message = byId("message", HTMLDivElement);
const trainingNote = byId("training-note", HTMLSpanElement);

const mebibyte = 2 ** 20;

/** The two ways to open a device, and the text of the link to the other one. */
const profiles: Record<Profile, { readonly name: string; readonly other: Profile; readonly link: string }> = {
  full: { name: "everything the adapter offers", other: "core", link: "try the least that WebGPU guarantees" },
  core: { name: "the least that WebGPU guarantees", other: "full", link: "use everything the adapter offers" },
};

export function showAdapter({ name, capabilities }: Device, profile: Profile): void {
  const { features, limits, software, subgroupSize } = capabilities;
  const link = make("a", profiles[profile].link);
  link.href = `?profile=${profiles[profile].other}`;
  const used = make("span", `${profiles[profile].name} (`);
  used.append(link, ")");
  const lines: [string, string | HTMLElement][] = [
    ["Adapter", `${name}${software ? " (software: runs on the processor)" : ""}`],
    ["Used", used],
    ["Subgroups", subgroupSize === null ? "none of a fixed size" : `${subgroupSize} lanes`],
    ["Features", [...features].sort().join(", ") || "none"],
    ["Largest binding", `${(limits.maxStorageBufferBindingSize / mebibyte).toLocaleString("en", { maximumFractionDigits: 0 })} MiB`],
  ];
  facts.replaceChildren(
    ...lines.map(([term, value]) => {
      const line = make("div");
      const description = make("dd");
      description.append(value);
      line.append(make("dt", term), description);
      return line;
    }),
  );
  trainingNote.textContent = software
    ? "Your adapter is a software one: a step takes seconds, and is smaller than on a graphics processor."
    : "";
}

export function showFailure({ message: what, remedy }: Failure): void {
  message.replaceChildren(make("strong", what), make("p", remedy));
  message.hidden = false;
}

export function showNoFailure(): void {
  message.hidden = true;
}
