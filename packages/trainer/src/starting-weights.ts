import { ConfigError, type HostTensor } from '@alex/tensor';
import { formatShape } from '@alex/tensor/kernels';

type Parameters = Readonly<Record<string, HostTensor>>;

/**
 * The parameters that a fine-tuning starts from: those that another network learnt, but for the layers that begin anew.
 *
 * @param given by dotted name; what the network does not have is left out
 * @param drawn the network's own, from the lowest layer to the last
 * @param replaces layers that keep what was drawn; the last layer does in any case where its shape is another
 * @throws ConfigError that names a layer which is not there, or a parameter which is missing or does not fit
 */
export function startingWeights(
  given: Parameters,
  drawn: Parameters,
  replaces: readonly string[],
): Record<string, HostTensor> {
  const layerOf = (path: string) => path.slice(0, path.lastIndexOf('.'));
  const layers = [...new Set(Object.keys(drawn).map(layerOf))];
  for (const layer of replaces) {
    if (!layers.includes(layer)) {
      throw new ConfigError(`there is no layer ${layer} to begin anew; the network has ${layers.join(', ')}`);
    }
  }
  const fits = (path: string) => given[path] && formatShape(given[path].shape) === formatShape(drawn[path]!.shape);
  const last = layers.at(-1)!;
  const lastFits = Object.keys(drawn).every((path) => layerOf(path) !== last || fits(path));
  const anew = lastFits ? replaces : [...replaces, last];
  return Object.fromEntries(
    Object.entries(drawn).map(([path, own]) => {
      if (anew.includes(layerOf(path))) return [path, own];
      if (fits(path)) return [path, given[path]!];
      const there = given[path] ? `has the shape ${formatShape(given[path].shape)} there` : 'is not there';
      throw new ConfigError(
        `${path} ${there}, the network needs ${formatShape(own.shape)}; give weights of the same network, or let the layer begin anew`,
      );
    }),
  );
}
