// Elements by their names, and numbers as people read them. Everything becomes text nodes and properties; no HTML is made.
import { h } from "./preact.mjs";

export const tags = new Proxy({ h }, { get: (own, tag) => own[tag] ?? ((props, ...children) => h(tag, props, ...children)) });

const unknown = "unknown";
const number = (digits) => new Intl.NumberFormat("en", { maximumFractionDigits: digits });
const compactly = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const clockly = new Intl.DateTimeFormat("en", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

export const count = (value) => (value == null ? unknown : value < 10000 ? number(value < 100 ? 1 : 0).format(value) : compactly.format(value));
export const usd = (value) => {
  if (value == null) return unknown;
  const digits = Math.abs(value) < 1 ? 4 : 2;
  return new Intl.NumberFormat("en", { style: "currency", currency: "USD", maximumFractionDigits: digits }).format(value);
};
export const seconds = (value) => {
  if (value == null) return "–";
  if (value < 1) return `${number(value < 0.01 ? 1 : 0).format(value * 1000)} ms`;
  return `${number(value < 10 ? 2 : 1).format(value)} s`;
};
// Never rounds to "all" what is not all.
export const percent = (share) => {
  if (share == null) return "–";
  const digits = share > 0.999 && share < 1 ? 3 : share > 0.99 || share < 0.01 ? 2 : 1;
  return `${number(digits).format(share * 100)} %`;
};
export const clock = (unix) => clockly.format(new Date(unix * 1000));
export const ago = (unix, now) => {
  const passed = Math.max(0, now - unix);
  if (passed < 90) return `${Math.round(passed)} s ago`;
  if (passed < 5400) return `${Math.round(passed / 60)} min ago`;
  return passed < 129600 ? `${Math.round(passed / 3600)} h ago` : `${Math.round(passed / 86400)} days ago`;
};
