import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { deepestNesting, duplicateKey, isNestedTooDeep } from "../../../src/io/formats/json.ts";

describe("isNestedTooDeep", () => {
  const nested = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}`;

  it("counts what is open at the same time, and nothing inside texts", () => {
    expect(isNestedTooDeep(nested(deepestNesting))).toBe(false);
    expect(isNestedTooDeep(nested(deepestNesting + 1))).toBe(true);
    expect(isNestedTooDeep(`[${Array(1000).fill('{"a":[]}').join(",")}]`)).toBe(false);
    expect(isNestedTooDeep(JSON.stringify({ text: `\\"${nested(1000)}` }))).toBe(false);
  });

  it("ends for what is no JSON", () => {
    for (const text of ['"', '"\\', "]]]", '{"a', "\\"]) expect(isNestedTooDeep(text)).toBe(false);
  });
});

describe("duplicateKey", () => {
  it("finds none in what JSON.stringify writes, with or without blanks", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(0, 1), (value, indent) => {
        expect(duplicateKey(JSON.stringify(value, null, indent))).toBe(undefined);
      }),
    );
  });

  it("finds a key that is repeated in any object, however it is written", () => {
    fc.assert(
      fc.property(fc.string(), fc.jsonValue(), (key, value) => {
        const escaped = [...key].map((character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`).join("");
        const object = `{${JSON.stringify(key)} :${JSON.stringify(value)}\n, "${escaped}": 1}`;
        expect(duplicateKey(object)).toBe(key);
        expect(duplicateKey(`{"outer":[{"${escaped}":2}, ${object}]}`)).toBe(key);
      }),
    );
  });

  it("takes no text for a key, and lets two objects have the same one", () => {
    expect(duplicateKey('[{"a":"b"},{"a":"b","b":["b","b","{\\"b\\":"]}]')).toBe(undefined);
    expect(duplicateKey('{"a":{"a":{"a":1}}}')).toBe(undefined);
  });
});
