/// <reference lib="esnext.disposable" preserve="true" />
/** What the package offers in every environment; `index.ts` and `index-node.ts` add how a device is opened and a folder read. */

import "./webgpu-types.ts";

export { Choices, choicesFrom, choicesOf, type Tuning } from "./autograd/choices.ts";
export { gradient } from "./autograd/gradient.ts";
export { formatPlan, type Plan, plan } from "./autograd/plan.ts";
export { type CompileOptions, compile, type Program } from "./autograd/program.ts";
export type { StepInput } from "./autograd/step-input.ts";
export { Tape } from "./autograd/tape.ts";
export * from "./errors.ts";
export type { Device, DeviceOptions } from "./gpu/device.ts";
export { type Folder, MemoryFolder, type NamedContent } from "./io/folder.ts";
export { openHttpFolder } from "./io/folder-http.ts";
export { eventFileName, fileHeader, scalarRecord } from "./io/formats/tensorboard.ts";
export { learnVocabulary } from "./io/tokenizer/vocabulary.ts";
export { loadTokenizer, type Tokenizer, wordPieceTokenizer } from "./io/tokenizer.ts";
export { encodeSafetensors } from "./io/weights/safetensors.ts";
export type { Weights } from "./io/weights/tensor-file.ts";
export { openWeights } from "./io/weights.ts";
export { attention } from "./kernels/attention.ts";
export { cast } from "./kernels/cast.ts";
export { columnSum } from "./kernels/column-sum.ts";
export { concat } from "./kernels/concat.ts";
export { copyInto } from "./kernels/copy.ts";
export { crossEntropy } from "./kernels/cross-entropy.ts";
export { dropout } from "./kernels/dropout.ts";
export { embedding } from "./kernels/embedding.ts";
export { gatherRows } from "./kernels/gather-rows.ts";
export { type Extent, f32, type Persistent, type Scalar, type Type, u32, Value } from "./kernels/language/operation.ts";
export { layerNorm } from "./kernels/layer-norm.ts";
export { matmul } from "./kernels/matmul/matmul.ts";
export { max } from "./kernels/max.ts";
export { normalize } from "./kernels/normalize.ts";
export { scale } from "./kernels/pointwise/operation.ts";
export {
  abs,
  add,
  div,
  exp,
  gelu,
  log,
  maximum,
  minimum,
  mul,
  neg,
  relu,
  sigmoid,
  silu,
  sqrt,
  square,
  squaredError,
  sub,
  tanh,
  weightedSum,
} from "./kernels/pointwise/pointwise.ts";
export { pool } from "./kernels/pool.ts";
export { reshape } from "./kernels/reshape.ts";
export { type Precision, precisions } from "./kernels/search/precision.ts";
export { slice } from "./kernels/slice.ts";
export { softmax } from "./kernels/softmax.ts";
export { expand, mean, type ReductionOptions, sum } from "./kernels/sum.ts";
export { transpose } from "./kernels/transpose.ts";
export { splitViews } from "./kernels/views.ts";
export { type AdamWOptions, adamWDefaults, adamWStep } from "./nn/adamw.ts";
export { type BatchValues, Bert } from "./nn/architectures/bert.ts";
export { type BertConfig, parseBertConfig } from "./nn/architectures/bert-config.ts";
export { LayerNorm } from "./nn/layer-norm.ts";
export { Linear } from "./nn/linear.ts";
export { Parameter } from "./nn/parameters/parameter.ts";
export { ParameterStore } from "./nn/parameters/parameter-store.ts";
export { type SchedulerType, schedulerTypes, schedules } from "./nn/schedule.ts";
export { type ConvertOptions, huggingFaceFiles, openConvertible, sentenceTransformersFiles } from "./simcse/checkpoint/convert.ts";
export { onnxFiles } from "./simcse/checkpoint/convert-onnx.ts";
export { type EmbeddedChunk, type Embeddings, type EncodeOptions, Encoder, type EncoderOptions } from "./simcse/embedding/encoder.ts";
export { decodeRows } from "./simcse/embedding/precision.ts";
export { evaluateSts, type StsReport, scoreSts } from "./simcse/evaluation/senteval/evaluate-sts.ts";
export { evaluateTransfer, scoreTransfer, type TransferReport, transferMetrics } from "./simcse/evaluation/senteval/evaluate-transfer.ts";
export { STS_TASKS } from "./simcse/evaluation/senteval/sts.ts";
export { resultTables, stsTable } from "./simcse/evaluation/senteval/table.ts";
export { TRANSFER_TASKS } from "./simcse/evaluation/senteval/transfer.ts";
export { contrastiveLoss, type InfoNceOptions, infoNce } from "./simcse/losses/infonce.ts";
export type { Loss, LossBatch, LossFunction, LossTarget } from "./simcse/losses/loss.ts";
export { mlmMasking } from "./simcse/losses/mlm-masking.ts";
export { SimCseModel } from "./simcse/model/model.ts";
export { type PoolerType, poolerTypes } from "./simcse/model/poolers.ts";
export type { HistoryEntry, TrainingReport } from "./simcse/report/history.ts";
export { modelCard } from "./simcse/report/model-card.ts";
export { reportHtml } from "./simcse/report/report.ts";
export { scalarsOf } from "./simcse/report/scalars.ts";
export type { Filter, FilterRange, FilterValue, JsonValue, Metadata } from "./simcse/search/metadata.ts";
export type {
  AddOptions,
  IndexedSentence,
  ListOptions,
  SearchOptions,
  SearchResult,
  SentenceId,
  SentenceIndex,
  SentenceToIndex,
} from "./simcse/search/sentence-index.ts";
export { type RowMatch, VectorIndex, type VectorIndexOptions, type VectorSearchOptions } from "./simcse/search/vector-index.ts";
export type { AddToIndexOptions, IndexOptions, IndexSource, LoadOptions, SimilarityOptions } from "./simcse/simcse.ts";
export { batchesWithoutDuplicates } from "./simcse/training/no-duplicates.ts";
export type { StepMlmOptions, TokenizedExample, TrainingStepOptions } from "./simcse/training/step-recording.ts";
export { type TrainerHooks, type TrainerState, type TrainingJob, type TrainingSummary, train } from "./simcse/training/trainer.ts";
export type { Best, Evaluate, EvaluationEntry, EvaluatorState } from "./simcse/training/training-evaluator.ts";
export type { LogEntry, StepRecord } from "./simcse/training/training-log.ts";
export { type TrainingSettings, trainingDefaults } from "./simcse/training/training-options.ts";
export { exampleSet, packedSet, type TrainingExample, type TrainingExamples, type TrainingSet } from "./simcse/training/training-set.ts";
export { planTrainingStep, type StepMetrics, TrainingStep } from "./simcse/training/training-step.ts";
export { Autotuner, type AutotunerOptions, type ChoiceStore } from "./tuning/autotuner.ts";
export type { TuningOptions } from "./tuning/tuning.ts";
