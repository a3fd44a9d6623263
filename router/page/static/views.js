// What is shown of the figures, section by section; pure functions of what the gateway told.
import { Plot } from "./charts.js";
import { ago, clock, count, percent, seconds, tags, usd } from "./dom.js";

const { dd, div, dl, dt, h2, h3, li, ol, p, section, span, time, ul } = tags;

export const names = { small: "small", large: "large", embedding: "embedding", shortcut: "shortcut", other: "no tier" };
const order = ["small", "large", "embedding", "other", "shortcut", "spillover"];
const placed = (place, fleet) => (place === "spillover" ? fleet.outside : names[place] ?? place);
const tone = (place) => (order.includes(place) ? place : "other");
const whats = {
  messages_per_month: "messages this month", requests_per_minute: "requests this minute", tokens_per_minute: "tokens this minute",
  tokens_per_month: "tokens this month", usd_per_day: "today", usd_per_month: "this month",
};

export const panel = (id, title, ...content) =>
  section({ class: "panel", id, "aria-labelledby": `${id}-title` }, h2({ id: `${id}-title` }, title), ...content);

const tile = (name, figure, note) => div({ class: "tile" }, dt(null, name), dd(null, span({ class: "big" }, figure), note ? span({ class: "note" }, note) : null));

export function tiles({ models, stayed, saved, money, latency, fleet }) {
  const sum = (field) => models.reduce((all, model) => all + model[field], 0);
  const month = money?.month;
  const waiting = sum("waiting");
  const gained = month ? month.saved_usd : saved?.saved_usd;
  const gainedIn = `against ${fleet.outside === "hosted" ? "hosted models" : "Claude"}, ${month ? "this month" : "last hour"}; GPUs not counted`;
  return section({ "aria-label": "At a glance" }, dl({ class: "tiles" },
    tile("By your own models", percent((month ?? { stayed }).stayed.answers), `${percent((month ?? { stayed }).stayed.tokens)} of tokens, ${month ? "this month" : "last hour"}`),
    tile("Saved", gained == null ? "unknown" : usd(gained), gained == null ? "spillover.baseline is not set" : gainedIn),
    tile("Output tokens/s", count(sum("output_tokens_per_s")), `${count(sum("prompt_tokens_per_s"))} prompt tokens/s`),
    tile("TTFT p95", seconds(latency.ttft.p95), `p50 ${seconds(latency.ttft.p50)}, last hour`),
    tile("TPOT p95", seconds(latency.tpot.p95), `p50 ${seconds(latency.tpot.p50)}, last hour`),
    tile("Under way", count(sum("in_flight")), waiting ? `${count(waiting)} waiting` : "nobody waits")));
}

const fact = (name, ...told) => div({ key: name }, dt(null, name), dd(null, ...told));

function replicas(model) {
  const known = model.replicas;
  if (!known) return fact("Replicas", "run elsewhere");
  const range = known.min === known.max ? `fixed at ${known.max}` : `${known.min} to ${known.max}`;
  return fact("Replicas", span({ class: "figure" }, known.ready ?? "unknown"), span({ class: "note" }, ` ${range}`));
}

function memory({ hardware, kv_share }) {
  if (!hardware) return null;
  const what = hardware.count ? `${hardware.count} × ${hardware.type}` : hardware.type;
  const size = hardware.memory_gib ? `, ${count(hardware.memory_gib)} GiB` : "";
  return [
    fact("Each replica", `${what}${size}`),
    fact("KV cache in use", kv_share == null ? "unknown" : percent(kv_share), kv_share == null ? null : meter(kv_share, 1, "KV cache in use")),
  ];
}

export const meter = (used, limit, label) => {
  const share = limit ? Math.min(1, used / limit) : 1;
  const state = share > 0.95 ? "full" : share > 0.8 ? "nearly" : "fine";
  return div({ class: `meter ${state}`, role: "meter", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": Math.round(share * 100) },
    span({ style: { width: `${share * 100}%` } }));
};

function card(model, fleet) {
  const state = !model.available ? "down" : model.waiting ? "busy" : "up";
  const said = { down: "does not answer", busy: "requests wait", up: "answers" }[state];
  return li({ key: model.name, class: "card" },
    h3(null, span({ class: "name" }, model.name), span({ class: `badge ${tone(model.place)}` }, placed(model.place, fleet))),
    p({ class: `state ${state}` }, said),
    dl({ class: "facts" },
      fact("Under way", span({ class: "figure" }, count(model.in_flight)), model.waiting ? ` and ${count(model.waiting)} waiting` : ""),
      fact("Output tokens/s", span({ class: "figure" }, count(model.output_tokens_per_s))),
      fact("TTFT p50 / p95", `${seconds(model.ttft.p50)} / ${seconds(model.ttft.p95)}`),
      fact("TPOT p50 / p95", `${seconds(model.tpot.p50)} / ${seconds(model.tpot.p95)}`),
      replicas(model), memory(model)));
}

export const models = (state) => panel("models", "Models", ul({ class: "cards" }, state.models.map((model) => card(model, state.fleet))));

function shares(rows, fleet, title) {
  const whole = rows.reduce((all, row) => all + row.answers, 0);
  if (!whole) return div({ class: "split" }, h3(null, title), p({ class: "note" }, "No answers yet."));
  return div({ class: "split" }, h3(null, title),
    div({ class: "stack", "aria-hidden": "true" }, rows.map((row) => span({ key: row.place, class: tone(row.place), style: { flexGrow: String(row.answers) } }))),
    ul(null, rows.map((row) => li({ key: row.place },
      span({ class: `key ${tone(row.place)}` }, placed(row.place, fleet), " ", span({ class: "figure" }, percent(row.answers / whole))),
      span({ class: "note" }, ` ${count(row.answers)} answers, ${count(row.tokens)} tokens`),
      ul({ class: "reasons", "aria-label": `Why ${placed(row.place, fleet)}` }, row.reasons.map((one) => li({ key: one.reason }, one.reason, " ", span({ class: "figure" }, count(one.answers)))))))));
}

export function split({ split, series, fleet }) {
  const places = Object.keys(series.answers).sort((a, b) => order.indexOf(a) - order.indexOf(b));
  const drawn = places.map((place) => ({ name: placed(place, fleet), key: tone(place), values: series.answers[place] }));
  const empty = [{ name: "answers", key: "small", values: new Array(61).fill(0) }];
  return panel("split", "Who answers, and why",
    div({ class: "pair" }, shares(split.live, fleet, `Last ${fleet.live_minutes} minutes`), shares(split.hour, fleet, "Last hour")),
    tags.h(Plot, { title: "Answers a minute", until: series.until, series: drawn.length ? drawn : empty, stacked: true }));
}

export function latency({ series, fleet, latency }) {
  const plot = (which, title) => tags.h(Plot, {
    title, until: series.until, format: seconds, promise: fleet.slo[which],
    series: ["p50", "p95"].map((share) => ({ name: share, key: share, values: series[`${which}_${share}`] })),
    note: `The hour: p50 ${seconds(latency[which].p50)}, p95 ${seconds(latency[which].p95)}, p99 ${seconds(latency[which].p99)}, of ${count(latency[which].count)} streams.`,
  });
  return panel("latency", "How fast", plot("ttft", "Time to first token"), plot("tpot", "Time per output token"));
}

function limit(one) {
  const money = one.what.startsWith("usd_");
  const shown = money ? usd : count;
  const whose = one.tenant || "The fleet's budget";
  const left = Math.max(0, one.limit - one.used);
  return li({ key: `${one.tenant} ${one.what}` },
    span({ class: "name" }, whose), span({ class: "note" }, ` ${whats[one.what] ?? one.what}`),
    span({ class: "left" }, `${shown(left)} left of ${shown(one.limit)}`),
    meter(one.used, one.limit, `${whose}, ${whats[one.what] ?? one.what}: used`));
}

export function money({ money, saved, fleet }) {
  const limits = [...(money.budgets ?? []), ...(money.limits ?? [])];
  const none = fleet.access === "open" ? "No accounts: nothing is counted against anybody, and there is no money to spend." : "Nothing has been used of any limit yet.";
  return panel("money", "Budgets and quotas",
    money.away ? p({ class: "warning" }, "The database is away; these figures are from before.") : null,
    money.month ? p({ class: "note" }, `This month hosted models charged ${usd(money.month.cost_usd)}.`) : saved ? p({ class: "note" }, `In the last hour hosted models charged ${usd(saved.cost_usd)}; all of it there would have been ${usd(saved.baseline_usd)}.`) : null,
    limits.length ? ul({ class: "limits" }, limits.map(limit)) : p({ class: "note" }, none));
}

export const scaling = ({ scaling, now }) => panel("scaling", "Autoscaling",
  scaling == null ? p({ class: "note" }, "Unknown: this gateway cannot see how many replicas there are.")
    : !scaling.length ? p({ class: "note" }, "No change since this gateway started.")
    : ol({ class: "log", tabIndex: 0, "aria-label": "Changes of replicas, the latest first" }, scaling.map((move) => li({ key: `${move.at} ${move.model}` },
        time({ dateTime: new Date(move.at * 1000).toISOString() }, ago(move.at, now)),
        span({ class: "name" }, move.model), span({ class: "figure" }, `${move.before} → ${move.after}`),
        span({ class: "note" }, move.why)))));

export const problems = ({ problems, now }) => panel("problems", "Recent errors",
  !problems.length ? p({ class: "note" }, "None in memory.")
    : ol({ class: "log", tabIndex: 0, "aria-label": "Errors, the latest first" }, problems.map((one) => li({ key: `${one.request_id} ${one.at}` },
        time({ dateTime: new Date(one.at * 1000).toISOString(), title: clock(one.at) }, ago(one.at, now)),
        span({ class: "name" }, one.model || "nobody"), span({ class: "what" }, one.what),
        span({ class: "note" }, one.status ? `status ${one.status}` : "another attempt followed",
          one.tenant ? `, ${one.tenant}` : "", one.count > 1 ? `, ${count(one.count)} times in a row` : "", `, ${one.request_id}`)))));
