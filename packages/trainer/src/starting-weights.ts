import { ConfigError, type HostTensor } from '@alex/tensor';
import { formatShape } from '@alex/tensor/kernels';

type Parameters = Readonly<Record<string, HostTensor>>;

/**
 * The parameters that a fine-tuning starts from: those that another network learnt, but for the layers that are reinitialized.
 *
 * @param given by dotted name; what the network does not have is left out
 * @param drawn the network's own, from the lowest layer to the last
 * @param replaces layers that keep what was drawn; the last layer does in any case where its shape is another
 * @param state what the network's layers keep without learning it, at first: of layers that are not reinitialized, `given` replaces
 * what it has in the same shape
 * @param names of the network's layers. Default: what stands before the last dot of each parameter, which is wrong for parameters whose
 * own names have dots
 * @throws ConfigError that names a layer which is not there, or a parameter which is missing or does not fit
 */
export function startingWeights(
  given: Parameters,
  drawn: Parameters,
  replaces: readonly string[],
  state: Parameters = {},
  names?: readonly string[],
): Record<string, HostTensor> {
  const layerOf = (path: string) =>
    names?.find((name) => path.startsWith(`${name}.`)) ?? path.slice(0, path.lastIndexOf('.'));
  const layers = [...new Set(Object.keys(drawn).map(layerOf))];
  for (const layer of replaces) {
    if (!Object.keys(drawn).some((path) => path.startsWith(`${layer}.`))) {
      throw new ConfigError(`there is no layer ${layer} to reinitialize; the network has ${layers.join(', ')}`);
    }
  }
  const fits = (path: string) =>
    given[path] && formatShape(given[path].shape) === formatShape((drawn[path] ?? state[path])!.shape);
  const last = layers.at(-1)!;
  const lastFits = Object.keys(drawn).every((path) => layerOf(path) !== last || fits(path));
  const replaced = lastFits ? replaces : [...replaces, last];
  const begins = (path: string) => replaced.some((layer) => path.startsWith(`${layer}.`));
  const kept = Object.entries(state).map(([path, own]) => [path, !begins(path) && fits(path) ? given[path]! : own]);
  const learnt = Object.entries(drawn).map(([path, own]) => {
    if (begins(path)) return [path, own];
    if (fits(path)) return [path, given[path]!];
    const there = given[path] ? `has the shape ${formatShape(given[path].shape)} there` : 'is not there';
    throw new ConfigError(
      `${path} ${there}, the network needs ${formatShape(own.shape)}; give weights of the same network, or have the layer reinitialized`,
    );
  });
  return Object.fromEntries([...learnt, ...kept]);
}
