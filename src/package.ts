/// <reference lib="esnext.disposable" preserve="true" />
/** The parts of the package that every environment has; `index.ts` and `index-node.ts` add how to open devices and folders. */

import "./browser-types.ts";

export { Choices, choicesFrom, choicesOf, type Tuning } from "./autograd/choices.ts";
export type { Dispatch, TextureCopy } from "./autograd/dispatches.ts";
export { type GradientOptions, gradient } from "./autograd/gradient.ts";
export {
  type Choose,
  formatPlan,
  type Place as PlanPlace,
  type Plan,
  type PlanBytes,
  plan,
  type Slot,
  type Step as PlanStep,
} from "./autograd/plan.ts";
export type { Profilable, Profiler, ProfilerOptions } from "./autograd/profiler.ts";
export {
  type CompileOptions,
  type Cut,
  compile,
  type DispatchProfile,
  type DispatchWork,
  type OutputArray,
  type Program,
  type ProgramPart,
} from "./autograd/program.ts";
export type { StepInput } from "./autograd/step-input.ts";
export { Tape } from "./autograd/tape.ts";
export type { TexturePlan, TextureUse } from "./autograd/textures.ts";
export * from "./errors.ts";
export type { Capabilities, Limits, SubgroupMatrix } from "./gpu/capabilities.ts";
export type { ArithmeticUnit } from "./gpu/ceilings.ts";
export type {
  BufferDeclaration,
  BufferWindow,
  Device,
  DeviceCounters,
  DeviceEnvironment,
  DeviceOptions,
  Pipeline,
  Wait as WaitForSoftware,
} from "./gpu/device.ts";
export type { Refusal } from "./gpu/error-scope.ts";
export type { MatrixSize } from "./gpu/matrix-texture.ts";
export type { ColumnAssignment } from "./io/examples/columns.ts";
export { type Example, type ExampleKind, type ExampleOptions, type ExampleTable, openExamples } from "./io/examples.ts";
export { type FileContent, type Folder, MemoryFolder, type NamedContent } from "./io/folder.ts";
export { type FileProgress, type HttpFolderOptions, openHttpFolder } from "./io/folder-http.ts";
export { type FolderPlace, type WritableFolder, writableFolder } from "./io/folders/writable-folder.ts";
export { encodeNpy } from "./io/formats/npy.ts";
export { eventFileName, fileHeader, type ScalarEvent, scalarRecord, startRecord } from "./io/formats/tensorboard.ts";
export { type ColumnRole, roleOf } from "./io/text/column-names.ts";
export type { Separator } from "./io/text/delimited.ts";
export { type ByteSource, fileSource, streamSource } from "./io/text/source.ts";
export {
  formatOf,
  openTable,
  type Row as TableRow,
  type Table,
  type TableFormat,
  type TableOptions,
  tableEndings,
} from "./io/text/table.ts";
export { openTexts, type TextOptions, type TextTable } from "./io/texts.ts";
export type { Framing } from "./io/tokenizer/framing.ts";
export { countTokens, type PrunedTokenizer, type PruneOptions, pruneTokenizer } from "./io/tokenizer/prune.ts";
export type { ThreadStarter, TokenizeAnswer, TokenizeRequest, TokenizerRecipe, TokenizerThread } from "./io/tokenizer/thread.ts";
export type { TokenIds, TokenizingOptions } from "./io/tokenizer/threads.ts";
export { learnVocabulary } from "./io/tokenizer/vocabulary.ts";
export { loadTokenizer, type Tokenizer, wordPieceTokenizer } from "./io/tokenizer.ts";
export type { Dtype } from "./io/weights/dtypes.ts";
export { encodeSafetensors, type TensorToWrite } from "./io/weights/safetensors.ts";
export type { Weights } from "./io/weights/tensor-file.ts";
export { openWeights } from "./io/weights.ts";
export { type AttentionOptions, attention } from "./kernels/attention.ts";
export { cast } from "./kernels/cast.ts";
export { columnSum } from "./kernels/column-sum.ts";
export { concat } from "./kernels/concat.ts";
export { copyInto } from "./kernels/copy.ts";
export { type CrossEntropyOptions, crossEntropy } from "./kernels/cross-entropy.ts";
export { dropout } from "./kernels/dropout.ts";
export { type EmbeddingTables, embedding, type GatherIndex } from "./kernels/embedding.ts";
export { gatherRows } from "./kernels/gather-rows.ts";
export { type Extent, f32, type PartOf, type Persistent, type Scalar, type Type, u32, Value } from "./kernels/language/operation.ts";
export type { BucketStarts } from "./kernels/language/relative-bias.ts";
export { layerNorm, type TokenDropout } from "./kernels/layer-norm.ts";
export type { Layout as MatmulLayout } from "./kernels/matmul/attributes.ts";
export { type MatmulOptions, matmul } from "./kernels/matmul/matmul.ts";
export { max } from "./kernels/max.ts";
export { normalize } from "./kernels/normalize.ts";
export { scale } from "./kernels/pointwise/operation.ts";
export {
  abs,
  add,
  div,
  exp,
  gelu,
  geluTanh,
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
export { type PooledRows, type Pooling, pool } from "./kernels/pool.ts";
export { reshape } from "./kernels/reshape.ts";
export { rmsNorm } from "./kernels/rms-norm.ts";
export { type Precision, precisions } from "./kernels/search/precision.ts";
export type { StoredVectors } from "./kernels/search/vector-scores.ts";
export { slice } from "./kernels/slice.ts";
export { softmax } from "./kernels/softmax.ts";
export { expand, mean, type ReductionOptions, sum } from "./kernels/sum.ts";
export { transpose } from "./kernels/transpose.ts";
export { splitViews } from "./kernels/views.ts";
export { type AdamWOptions, adamWDefaults, adamWStep } from "./nn/adamw.ts";
export type {
  BatchValues,
  ForwardOptions,
  MaskedHead,
  ReadRows,
  Transformer,
  TransformerConfig,
} from "./nn/architectures/architecture.ts";
export { hasDropout, longestSentence, modelTypes, ownLayers, parseConfig } from "./nn/architectures/architectures.ts";
export { LayerNorm } from "./nn/layer-norm.ts";
export { Linear, type LinearOptions } from "./nn/linear.ts";
export { type AdapterTensors, type LoraOptions, type LoraTarget, loraTargets } from "./nn/lora.ts";
export type { ArenaTensor } from "./nn/parameters/arena-tensor.ts";
export { type Initial, Parameter, type Piece, type Places } from "./nn/parameters/parameter.ts";
export type { Arena, ArenaKind, LayoutOptions, ParameterCounts, ParameterLayout, Span } from "./nn/parameters/parameter-layout.ts";
export { type Moment, ParameterStore, type StoreOptions } from "./nn/parameters/parameter-store.ts";
export { RmsNorm } from "./nn/rms-norm.ts";
export { type Schedule, type SchedulerType, schedulerTypes, schedules } from "./nn/schedule.ts";
export type { LocatedTensor } from "./simcse/checkpoint/checkpoint.ts";
export {
  type CheckpointConfig,
  inspectWeights,
  type LoadWeightsOptions,
  loadWeights,
  modelFiles,
  type ReadConfigOptions,
  readConfig,
} from "./simcse/checkpoint/checkpoint.ts";
export { type CheckpointStore, PlacedCheckpoints } from "./simcse/checkpoint/checkpoint-store.ts";
export {
  type Convertible,
  type ConvertOptions,
  huggingFaceFiles,
  openConvertible,
  sentenceTransformersFiles,
} from "./simcse/checkpoint/convert.ts";
export { type OnnxDtype, onnxFiles } from "./simcse/checkpoint/convert-onnx.ts";
export type { ModuleWeights } from "./simcse/checkpoint/sentence-transformers.ts";
export { type StudentOptions, studentFiles } from "./simcse/checkpoint/student.ts";
export { type ExamplesState, loadTrainingCheckpoint, readTrainingState, type SavedState } from "./simcse/checkpoint/training-checkpoint.ts";
export type { WeightsDtype } from "./simcse/checkpoint/written-weights.ts";
export { distillationDefaults } from "./simcse/distillation/distillation-defaults.ts";
export { type MakeStudentOptions, makeStudent } from "./simcse/distillation/make-student.ts";
export { type Projection, principalComponents, project } from "./simcse/distillation/principal-components.ts";
export type { EmbeddedChunk, EmbeddedItems, Embeddings } from "./simcse/embedding/embeddings.ts";
export { Encoder } from "./simcse/embedding/encoder.ts";
export type { EncodeOptions, EncoderOptions, TokenizeOptions } from "./simcse/embedding/encoder-options.ts";
export type { TokenizedText } from "./simcse/embedding/encoder-program.ts";
export { dequantizeInt8, type Int8Ranges, int8Ranges, quantizeInt8 } from "./simcse/embedding/int8-ranges.ts";
export { decodeRows, type Encoded, type PrecisionArrays } from "./simcse/embedding/precision.ts";
export type { PromptOptions, TextPreparation } from "./simcse/embedding/prompts.ts";
export type { ClassifierHooks } from "./simcse/evaluation/classifiers/classifiers.ts";
export type { Encode, SideEncoders } from "./simcse/evaluation/embed-distinct.ts";
export { alignment, uniformity } from "./simcse/evaluation/metrics/alignment.ts";
export { averagePrecision, type BestAccuracy, type BestF1, bestAccuracy, bestF1 } from "./simcse/evaluation/metrics/binary.ts";
export { pearson, spearman } from "./simcse/evaluation/metrics/correlation.ts";
export { type RankedQuery, rankingMetrics, rankingScores } from "./simcse/evaluation/metrics/ranking.ts";
export {
  type EvaluateStsOptions,
  evaluateSts,
  type StsAggregate,
  type StsCorrelation,
  type StsProgress,
  type StsReport,
  type StsScores,
  scoreSts,
} from "./simcse/evaluation/senteval/evaluate-sts.ts";
export {
  type EvaluateTransferOptions,
  evaluateTransfer,
  type ScoreTransferOptions,
  scoreTransfer,
  type TransferMode,
  type TransferProgress,
  type TransferReport,
  type TransferScores,
  transferMetrics,
} from "./simcse/evaluation/senteval/evaluate-transfer.ts";
export type { TaskProgress, TaskResults } from "./simcse/evaluation/senteval/score-tasks.ts";
export type { Missing as MissingTask } from "./simcse/evaluation/senteval/senteval-folder.ts";
export {
  STS_TASKS,
  type StsMode,
  type StsSource,
  type StsSubset,
  type StsTask,
  type StsTaskName,
} from "./simcse/evaluation/senteval/sts.ts";
export type { StsPair } from "./simcse/evaluation/senteval/sts-files.ts";
export { resultTables, stsTable } from "./simcse/evaluation/senteval/table.ts";
export type { TextLines } from "./simcse/evaluation/senteval/text-lines.ts";
export {
  TRANSFER_TASKS,
  type TransferData,
  type TransferSplit,
  type TransferTask,
  type TransferTaskName,
} from "./simcse/evaluation/senteval/transfer.ts";
export type { LabelledExample } from "./simcse/evaluation/senteval/transfer-files.ts";
export { evaluateOn, evaluateSet, type SetReport } from "./simcse/evaluation/sets/evaluate-set.ts";
export type {
  EvaluationSet,
  LabelledPair,
  LabelledText,
  Prediction,
  Retrieval,
  ScoredPair,
  SetContents,
  SetKind,
  SetOptions,
  SetScores,
  Triplet,
} from "./simcse/evaluation/sets/evaluation-set.ts";
export { type HoldOut, holdOut } from "./simcse/evaluation/sets/hold-out.ts";
export { beirSet, evaluationSet, type SetSource, setOfExamples } from "./simcse/evaluation/sets/read-set.ts";
export { setTables } from "./simcse/evaluation/sets/set-tables.ts";
export { contrastive } from "./simcse/losses/contrastive.ts";
export { cosent } from "./simcse/losses/cosent.ts";
export { cosine } from "./simcse/losses/cosine.ts";
export { type DistillOptions, distill } from "./simcse/losses/distill.ts";
export { type ContrastiveLossOptions, contrastiveLoss, type InfoNceOptions, infoNce } from "./simcse/losses/infonce.ts";
export type { Loss, LossBatch, LossFunction, LossTarget } from "./simcse/losses/loss.ts";
export type { LossName } from "./simcse/losses/loss-choice.ts";
export { matryoshka } from "./simcse/losses/matryoshka.ts";
export { type MaskedSentence, type MlmOptions, mlmMasking } from "./simcse/losses/mlm-masking.ts";
export { type ModelOptions, type Modules, type SimCseConfig, SimCseModel } from "./simcse/model/model.ts";
export { type EncodingPooler, type PoolerType, poolerTypes } from "./simcse/model/poolers.ts";
export type {
  Activation,
  DenseStep,
  SentenceHead,
  SentenceHeadConfig,
  SentenceStep,
  Step as SentenceHeadStep,
} from "./simcse/model/sentence-head.ts";
export type { TrainedParts } from "./simcse/model/trained-parts.ts";
export { loadingSnippets, type Snippet } from "./simcse/report/card.ts";
export { type CardLicence, withLicence } from "./simcse/report/card-metadata.ts";
export { collapseText } from "./simcse/report/collapse.ts";
export type { HistoryEntry, TrainingReport } from "./simcse/report/history.ts";
export { modelCard } from "./simcse/report/model-card.ts";
export { reportHtml } from "./simcse/report/report.ts";
export { scalarsOf } from "./simcse/report/scalars.ts";
export { type CommunitiesOptions, type Community, communities } from "./simcse/search/communities.ts";
export {
  type HardNegativeOptions,
  type MinedNegatives,
  type MinedTriplet,
  mineHardNegatives,
} from "./simcse/search/hard-negatives.ts";
export { openStoredIndex, type StoredIndex, type StoredPart } from "./simcse/search/index-file.ts";
export type { Filter, FilterRange, FilterValue, JsonValue, Metadata } from "./simcse/search/metadata.ts";
export type { AddToIndexOptions, IndexOptions, IndexSource } from "./simcse/search/model-index.ts";
export {
  type Duplicate,
  type DuplicateGroup,
  duplicateGroups,
  NearDuplicates,
  type NearDuplicatesOptions,
} from "./simcse/search/near-duplicates.ts";
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
export { type SimilarPair, type SimilarPairsOptions, similarPairs } from "./simcse/search/similar-pairs.ts";
export { type RowMatch, VectorIndex, type VectorIndexOptions, type VectorSearchOptions } from "./simcse/search/vector-index.ts";
export type { SegmentFormat, VectorSegment } from "./simcse/search/vector-segment.ts";
export type { Environment, LoadedAs, LoadedModel, SimCSE as PortableSimCSE } from "./simcse/simcse.ts";
export type { LoadOptions, SimilarityOptions } from "./simcse/simcse-options.ts";
export { batchesWithoutDuplicates } from "./simcse/training/no-duplicates.ts";
export type { Exchange, ProgramRun, Share, StepPlace, StepPrograms } from "./simcse/training/step/step-programs.ts";
export type { StepMlmOptions, TokenizedExample, TrainingStepOptions } from "./simcse/training/step/step-recording.ts";
export {
  type CompiledStep,
  planTrainingStep,
  type StepMetrics,
  type StepPlan,
  TrainingStep,
} from "./simcse/training/step/training-step.ts";
export type { LoadedParts, LoadedTraining, TrainingOptions, TrainingPlan } from "./simcse/training/train-loaded.ts";
export { type TrainerHooks, type TrainerState, type TrainingJob, type TrainingSummary, train } from "./simcse/training/trainer.ts";
export type { Best, Evaluate, EvaluationEntry, EvaluatorState, TextReading } from "./simcse/training/training-evaluator.ts";
export type { LogEntry, StepRecord } from "./simcse/training/training-log.ts";
export { type Strategy, type TrainingSettings, trainingDefaults } from "./simcse/training/training-options.ts";
export { type RunHooks, type TrainedStep, TrainingRun } from "./simcse/training/training-run.ts";
export {
  exampleSet,
  packedSet,
  type SetDigest,
  type TextWithVector,
  type TrainingExample,
  type TrainingExamples,
  type TrainingSet,
} from "./simcse/training/training-set.ts";
export { Autotuner, type AutotunerOptions } from "./tuning/autotuner.ts";
export type { ChoiceStore } from "./tuning/choice-cache.ts";
export type { TuningOptions } from "./tuning/tuning.ts";
