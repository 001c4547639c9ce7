export { type CurvesOptions, curves } from './curves.js';
export { type DashboardEvents, type DashboardFile, dashboardFiles, type MetricColumns } from './dashboard.js';
export { type FiltersOptions, filters, filtersSvg } from './filters.js';
export { type RunReport, reportHtml } from './html.js';
export { type Image, imageAddress, type RawImage } from './image.js';
export type { Metric } from './metrics.js';
export { type Neighbours, neighbours } from './neighbours.js';
export { type Prediction, type PredictionsOptions, predictions } from './predictions.js';
export { type VariationsOptions, variations } from './variations.js';
