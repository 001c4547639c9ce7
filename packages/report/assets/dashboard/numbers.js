// Numbers in a readable format.

export const percent = (share) => `${(100 * share).toFixed(1)}%`;
export const short = (value) => (value === 0 ? '0' : String(Number(value.toPrecision(3))));
export const whole = (value) => Math.round(value).toLocaleString('en-US');
export const formatStep = (step) => (step < 10_000 ? String(step) : `${Number((step / 1000).toPrecision(4))}k`);
export const megabytes = (bytes) =>
  `${(bytes / 1e6).toLocaleString('en-US', { maximumFractionDigits: bytes < 1e8 ? 1 : 0 })} MB`;

export function duration(seconds) {
  const all = Math.max(0, Math.round(seconds));
  const [days, hours, minutes] = [Math.floor(all / 86400), Math.floor(all / 3600) % 24, Math.floor(all / 60) % 60];
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min ${all % 60} s` : `${all} s`;
}
