/** The program of a peer's process: answers the questions of `remote.ts` until its parent lets go. Arguments: the peer's name, the model folder. */
import { peers } from "./peers.ts";
import type { Answer, Question } from "./remote.ts";
import { Session } from "./session.ts";

const [name, folder] = process.argv.slice(2);
const session = new Session(peers.find((peer) => peer.name === name)!, folder!);

process.on("message", async ({ ask, given }: Question) => {
  const answer: Answer = await (session[ask] as (...given: unknown[]) => Promise<unknown>)
    .apply(session, given)
    .then((value) => ({ value }))
    .catch((error: Error) => ({ failure: error.message.trim().split("\n")[0]! }));
  process.send!(answer);
});
process.on("disconnect", () => process.exit(0));
