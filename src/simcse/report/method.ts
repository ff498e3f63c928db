/** What a run trained, if not all parameters: from its options under the command line's names. */
import { type TrainingSettings, trainedPartsText, trainingDefaults } from "../training/training-options.ts";

/** Such as `LoRA of rank 8 and alpha 16 on query, value`; empty if all parameters were trained. */
export function methodText(given: Readonly<Record<string, unknown>>): string {
  const setting = <Name extends keyof TrainingSettings>(name: Name, option: string) =>
    (given[option] ?? trainingDefaults[name]) as TrainingSettings[Name];
  return trainedPartsText({
    freeze: setting("freeze", "freeze"),
    loraRank: setting("loraRank", "lora_rank"),
    loraAlpha: setting("loraAlpha", "lora_alpha"),
    loraTargets: setting("loraTargets", "lora_target"),
  });
}
