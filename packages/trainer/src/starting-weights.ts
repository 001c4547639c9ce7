import { ConfigError, type HostTensor, type NetworkDescription } from '@alex/tensor';
import { checkArray, formatShape, optionError } from '@alex/tensor/kernels';
import { checkDescribed, type Network } from '@alex/tensor/network';

type Parameters = Readonly<Record<string, HostTensor>>;

/**
 * The initial parameters for fine-tuning: those of another network, except for the reinitialized layers. Only the
 * latter are generated. Layers that are not reinitialized also get their state from `given`, if it is there and fits;
 * otherwise the state is the network's own.
 *
 * @param given by dotted name; parameters that the network does not have are ignored
 * @param replaces layers to reinitialize; the last layer is always reinitialized if its shape differs
 * @throws ConfigError with the layer that does not exist, or the parameter that is missing or does not fit
 */
export async function startingWeights(
  given: Parameters,
  network: Pick<Network, 'description' | 'parameters' | 'layerState'>,
  replaces: readonly string[],
): Promise<Record<string, HostTensor>> {
  const { kept, drawn, fits, begins } = planStart(given, network?.description, replaces);
  const stateKept = network.description.layers
    .filter(({ layer }) => !begins(layer.name))
    .flatMap(({ state }) => state.filter(fits));
  return {
    ...(await network.parameters(drawn.map(({ path }) => path))),
    ...(await network.layerState()),
    ...Object.fromEntries([...kept, ...stateKept].map(({ path }) => [path, given[path]!])),
  };
}

/**
 * Checks whether fine-tuning can start from another network's weights, before any adapter is opened.
 *
 * @returns the layers that are reinitialized
 * @throws ConfigError as {@link startingWeights} does
 */
export function checkStartingWeights(
  given: Parameters,
  description: NetworkDescription,
  replaces: readonly string[],
): string[] {
  const { begins } = planStart(given, description, replaces);
  const learned = description.layers.filter(({ parameters }) => parameters.length > 0);
  return learned.flatMap(({ layer }) => (begins(layer.name) ? [layer.name] : []));
}

/** Which parameters are copied, and which are drawn. */
function planStart(given: Parameters, description: NetworkDescription, replaces: readonly string[]) {
  if (typeof given !== 'object' || given === null) {
    throw optionError('starting weights', 'given', 'an object of tensors by their dotted names', given);
  }
  checkDescribed(description);
  checkArray('starting weights', 'replaces', replaces);
  const layers = description.layers.filter(({ parameters }) => parameters.length > 0);
  const names = layers.map(({ layer }) => layer.name);
  for (const layer of replaces) {
    if (!names.includes(layer)) {
      throw new ConfigError(`there is no layer ${layer} to reinitialize; the network has ${names.join(', ')}`);
    }
  }
  const fits = ({ path, shape }: { readonly path: string; readonly shape: readonly number[] }) =>
    given[path] !== undefined && formatShape(given[path].shape) === formatShape(shape);
  const lastFits = layers.at(-1)?.parameters.every(fits) ?? true;
  const begins = (layer: string) => replaces.includes(layer) || (!lastFits && layer === names.at(-1));
  const parametersOf = (begun: boolean) =>
    layers.filter(({ layer }) => begins(layer.name) === begun).flatMap(({ parameters }) => parameters);
  const kept = parametersOf(false);
  for (const parameter of kept) {
    if (fits(parameter)) continue;
    const { path, shape } = parameter;
    const there = given[path] ? `has the shape ${formatShape(given[path].shape)} there` : 'is not there';
    throw new ConfigError(
      `${path} ${there}, but the network needs ${formatShape(shape)}; give weights of the same network, or reinitialize the layer`,
    );
  }
  return { kept, drawn: parametersOf(true), fits, begins };
}
