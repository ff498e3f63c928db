/** The tests of the packed packages: they install from the npm registry, so they are not part of `npm test`. */
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/package/**/*.test.ts"],
    globalSetup: ["test/setup.ts"],
    pool: "forks",
    testTimeout: 240_000,
    hookTimeout: 240_000,
  },
});
