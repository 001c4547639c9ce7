import type { PublishedForm } from '@alex/model-alexnet';
import type { HostTensor, NetworkDescription } from '@alex/tensor';
import type { NotedModel } from '@alex/trainer';

/** Published weights. */
export interface PublishedWeights {
  readonly file: string;
  readonly form: PublishedForm;
  /** Under the published network's own names. */
  readonly tensors: Readonly<Record<string, HostTensor>>;
  /** Number of classes. */
  readonly classes: number;
  /** What was changed or skipped: one sentence each. */
  readonly remarks: readonly string[];
  /** Height and width of the network's input. Default: the published one's. */
  readonly inputSize?: number;
  /** What the file itself says: names of its classes, size of its images. */
  readonly notes?: NotedModel | undefined;
}

/** Weights in a safetensors file under this program's own names, such as the `weights.safetensors` of a run. */
export interface OwnWeights {
  readonly file: string;
  readonly form: 'own';
  readonly tensors: Readonly<Record<string, HostTensor>>;
  /** What it says of its network. */
  readonly model: NotedModel | undefined;
  /** What its images have subtracted, if that is an image. */
  readonly meanImage?: HostTensor | undefined;
  /** What has to be known of it: one sentence each. */
  readonly remarks: readonly string[];
}

/** A network whose layers are those of no variant: it can be used, but not trained. */
export interface ForeignWeights {
  readonly file: string;
  readonly form: 'foreign';
  readonly tensors: Readonly<Record<string, HostTensor>>;
  readonly description: NetworkDescription;
  readonly model: NotedModel;
  readonly meanImage?: HostTensor | undefined;
  readonly remarks: readonly string[];
}

/** Weights of any origin. */
export type AnyWeights = PublishedWeights | OwnWeights | ForeignWeights;
