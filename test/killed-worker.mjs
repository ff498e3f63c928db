/** The worker of the examples, except that the first of all to get sentences is killed before it answers. It writes its process id into the file SIMCSE_KILLED. */
import { writeFileSync } from "node:fs";

process.stdin.once("data", () => {
  try {
    writeFileSync(process.env.SIMCSE_KILLED, String(process.pid), { flag: "wx" });
    process.kill(process.pid, "SIGKILL");
  } catch {
    // Another one was killed.
  }
});
process.stdin.pause();
await import("./encode-worker.mjs");
