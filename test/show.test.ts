/** Values in messages: short, safe and never a reason to fail. */
import { describe, expect, it } from "vitest";
import { FormatError } from "../src/errors.ts";
import { printable, quoted, show } from "../src/show.ts";

const nested = (depth: number) => JSON.parse("[".repeat(depth) + "]".repeat(depth)) as unknown;

describe("show", () => {
  it.each([
    [undefined, "nothing"],
    [null, "null"],
    [Number.NaN, "NaN"],
    [3n, "3n"],
    ["a", '"a"'],
    [[1, "b", { c: true }], '[1, "b", {"c": true}]'],
    [new Map(), "Map"],
    [Object.create(null), "{}"],
    [Symbol("s"), "Symbol(s)"],
  ])("writes %o as JSON or by its name", (value, text) => {
    expect(show(value)).toBe(text);
  });

  it("is short, whatever it is given", () => {
    expect(show("x".repeat(1e6)).length).toBeLessThan(90);
    expect(show(Array(1e6).fill(7)).length).toBeLessThan(90);
    expect(show(Object.fromEntries(Array.from({ length: 1e5 }, (_, i) => [`key${i}`, i]))).length).toBeLessThan(90);
    expect(show(nested(4000))).toBe("[[[[[[…]]]]]]");
  });

  it("takes no longer for lists that hold one list many times", () => {
    let shared: unknown[] = [];
    for (let i = 0; i < 60; i++) shared = [shared, shared];
    expect(show(shared).length).toBeLessThan(120);
  });

  it("ends for what holds itself", () => {
    const own: unknown[] = [];
    own.push(own);
    expect(show(own)).toContain("…");
  });
});

describe("what a terminal would obey", () => {
  it("is escaped", () => {
    expect(quoted("\x1b[31mred\x07")).toBe('"\\u001b[31mred\\u0007"');
    expect(printable("a\x9b31m\u202eb\tc\nd")).toBe("a\\u009b31m\\u202eb\tc\nd");
  });

  it("is escaped in the message and the remedy of every error", () => {
    const error = new FormatError("bad \x1b]0;owned\x07", "try \x1b[2J");
    expect(error.message).toBe("bad \\u001b]0;owned\\u0007");
    expect(error.remedy).toBe("try \\u001b[2J");
  });
});
