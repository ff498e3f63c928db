/** TypeDoc plugin: a symbol's category follows from the folder that declares it, so no docstring has to name one. */
import { Comment, CommentTag, Converter, ReflectionKind } from "typedoc";

/** The first folder that fits decides. */
const categories = [
  ["src/simcse/embedding/", "Embeddings and search"],
  ["src/simcse/search/", "Embeddings and search"],
  ["src/simcse/simcse", "Embeddings and search"],
  ["src/simcse/training/", "Training"],
  ["src/simcse/losses/", "Training"],
  ["src/simcse/report/", "Reports"],
  ["src/simcse/evaluation/", "Evaluation"],
  ["src/simcse/checkpoint/", "Checkpoints"],
  ["src/simcse/model/", "Models and layers"],
  ["src/io/tokenizer", "Tokenizers"],
  ["src/io/weights", "Checkpoints"],
  ["src/io/", "Files and texts"],
  ["src/nn/", "Models and layers"],
  ["src/kernels/language/", "The language of operations"],
  ["src/kernels/", "Operations"],
  ["src/autograd/", "Programs"],
  ["src/tuning/", "Tuning"],
  ["src/gpu/shader", "The language of operations"],
  ["src/gpu/", "Devices"],
  ["src/errors", "Errors"],
];

export function load(app) {
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, (context) => {
    for (const module of context.project.children ?? []) {
      for (const symbol of module.children ?? []) {
        if (symbol.kindOf(ReflectionKind.Reference)) continue;
        const file = context.getSymbolFromReflection(symbol)?.declarations?.[0]?.getSourceFile().fileName ?? "";
        const [, category] = categories.find(([folder]) => file.includes(folder)) ?? [];
        if (category === undefined) continue;
        for (const target of symbol.signatures ?? [symbol]) {
          target.comment ??= new Comment();
          target.comment.blockTags.push(new CommentTag("@category", [{ kind: "text", text: category }]));
        }
      }
    }
  });
}
