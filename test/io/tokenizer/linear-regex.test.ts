import { expect, it } from "vitest";
import { isLinear } from "../../../src/io/tokenizer/linear-regex.ts";

it.each([
  [
    "\\s+",
    " {2,}",
    "\\w+|[^\\w\\s]+",
    " ?[^\\s]+",
    "(?i:covid)",
    "\\p{N}{1,3}",
    "[\\r\\n]",
    "[[:punct:]]",
    "(?:ab|c)+",
    "^x",
    "a(?:b|c+)",
    "",
  ],
])("runs expressions that never try again: %s and others", (...expressions) => {
  expect(expressions.filter((expression) => !isLinear(expression))).toEqual([]);
});

it.each([
  [
    "(a+)+$",
    "(a|aa)+$x",
    "a+b",
    "\\s+$",
    "(?=a+)",
    "(?:a?){30}b",
    "a?a?a?a?a?a?a?aaaa",
    "(a)\\1",
    "(?:a+|b)c",
    "a{1,99}b",
    "(a",
    "a)",
    "a**",
    "[a",
  ],
])("refuses those that may: %s and others", (...expressions) => {
  expect(expressions.filter(isLinear)).toEqual([]);
});
