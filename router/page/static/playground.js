// The playground: a message, one model or two side by side, what was decided and why, and the answer as it streams.
import { Component } from "./preact.mjs";
import { count, seconds, tags, usd } from "./dom.js";
import { events, refusal } from "./live.js";
import { names } from "./views.js";

const { article, button, dd, div, dl, dt, form, h3, input, label, li, ol, option, p, section, select, h2, span, textarea } = tags;
const LONGEST_ANSWER = 200_000; // characters that are kept

const idle = () => ({ asked: "", state: "idle", text: "", error: "", decision: null, told: {}, ttft: null, total: null, usage: null });
const said = { idle: "", deciding: "Deciding…", streaming: "Answering…", done: "Done", stopped: "Stopped", failed: "Failed" };

// What the gateway said of its decision with the answer.
function headersOf(response) {
  const found = {};
  for (const [name, value] of response.headers) if (name.startsWith("x-freehold-")) found[name.slice(11)] = value;
  return found;
}

export class Playground extends Component {
  constructor(props) {
    super(props);
    this.state = { message: "", first: "auto", second: "large", both: false, tokens: 256, runs: [idle()], announced: "" };
    this.cuts = [];
    this.set = (name) => (event) => this.setState({ [name]: event.currentTarget.type === "checkbox" ? event.currentTarget.checked : event.currentTarget.value });
    this.submit = (event) => {
      event.preventDefault();
      this.send();
    };
    this.keys = (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.submit(event);
    };
    this.stop = () => this.cuts.forEach((cut) => cut.abort());
  }

  componentWillUnmount() {
    this.stop();
  }

  busy() {
    return this.state.runs.some((run) => ["deciding", "streaming"].includes(run.state));
  }

  change(at, change) {
    this.setState(({ runs }) => ({ runs: runs.map((run, index) => (index === at ? { ...run, ...change(run) } : run)) }));
  }

  async send() {
    const { message, first, second, both, tokens } = this.state;
    if (!message.trim() || this.busy()) return;
    const asked = both ? [first, second] : [first];
    this.cuts = asked.map(() => new AbortController());
    this.setState({ runs: asked.map((model) => ({ ...idle(), asked: model, state: "deciding" })), announced: `Asking ${asked.join(" and ")}` });
    const bodies = asked.map((model) => ({ model, messages: [{ role: "user", content: message }], max_tokens: Number(tokens) || 256 }));
    await Promise.all(bodies.map((body, at) => this.run(at, body)));
    const ends = this.state.runs.map((run) => `${run.told.model ?? run.asked}: ${said[run.state].toLowerCase()}${run.usage ? `, ${run.usage.completion_tokens} tokens` : ""}`);
    this.setState({ announced: ends.join("; ") });
  }

  async run(at, body) {
    const signal = this.cuts[at].signal;
    try {
      const decision = await this.post("/v1/route", body, signal);
      const found = await decision.json();
      this.change(at, () => ({ decision: found, state: "streaming" }));
      await this.stream(at, body, signal);
      this.change(at, (run) => ({ state: run.error ? "failed" : "done" }));
    } catch (error) {
      const stopped = error.name === "AbortError";
      this.change(at, () => ({ state: stopped ? "stopped" : "failed", error: stopped ? "" : error.message || "The gateway cannot be reached." }));
    }
  }

  async stream(at, body, signal) {
    const began = performance.now();
    const passed = () => (performance.now() - began) / 1000;
    const response = await this.post("/v1/chat/completions", { ...body, stream: true, stream_options: { include_usage: true } }, signal);
    this.change(at, () => ({ told: headersOf(response) }));
    let whole = false;
    for await (const data of events(response)) {
      if (data === "[DONE]") {
        whole = true;
        break;
      }
      const chunk = JSON.parse(data);
      const delta = chunk.choices?.[0]?.delta;
      const piece = delta?.content ?? delta?.reasoning_content ?? "";
      this.change(at, (run) => ({
        text: (run.text + piece).slice(0, LONGEST_ANSWER),
        ttft: run.ttft ?? (piece ? passed() : null),
        usage: chunk.usage ?? run.usage,
        error: chunk.error?.message ?? run.error,
      }));
    }
    const total = passed();
    this.change(at, (run) => ({ total, error: run.error || (whole ? "" : "The answer broke off.") }));
  }

  async post(path, body, signal) {
    const headers = { "content-type": "application/json", ...this.props.headers() };
    const response = await fetch(path, { method: "POST", headers, body: JSON.stringify(body), signal });
    if (!response.ok) throw await refusal(response);
    return response;
  }

  render({ fleet }, { message, first, second, both, tokens, runs, announced }) {
    const choices = [...fleet.choices, ...fleet.writers].map((name) => option({ key: name, value: name }, name in names ? `${name} tier` : name));
    const pick = (id, text, name, value) => div({ class: "field" }, label({ for: id }, text), select({ id, value, onChange: this.set(name) }, choices));
    return section({ class: "panel", id: "playground", "aria-labelledby": "playground-title" },
      h2({ id: "playground-title" }, "Playground"),
      form({ onSubmit: this.submit },
        div({ class: "field wide" }, label({ for: "message" }, "Message"),
          textarea({ id: "message", rows: 3, value: message, onInput: this.set("message"), onKeyDown: this.keys, "aria-describedby": "message-note" }),
          span({ class: "note", id: "message-note" }, "It is answered like any caller's message, and counted. Ctrl+Enter sends.")),
        div({ class: "fields" },
          pick("first", "Ask", "first", first),
          div({ class: "field check" }, input({ type: "checkbox", id: "both", checked: both, onChange: this.set("both") }), label({ for: "both" }, "side by side with")),
          div({ class: "field" }, label({ for: "second", class: "unseen" }, "The other one"), select({ id: "second", value: second, disabled: !both, onChange: this.set("second") }, choices)),
          div({ class: "field" }, label({ for: "tokens" }, "Tokens at most"), input({ id: "tokens", type: "number", min: 1, max: 100000, value: tokens, onInput: this.set("tokens") })),
          div({ class: "field buttons" },
            this.busy() ? button({ type: "button", class: "plain", onClick: this.stop }, "Stop") : null,
            button({ type: "submit", "aria-disabled": this.busy() ? "true" : "false" }, "Send")))),
      p({ class: "unseen", role: "status" }, announced),
      div({ class: runs.length > 1 ? "runs two" : "runs" }, runs.map((run, at) => (run.state === "idle" ? null : shown(run, at)))));
  }
}

const fact = (name, value) => (value == null || value === "" ? null : div({ key: name }, dt(null, name), dd(null, value)));

function shown(run, at) {
  const { decision, told, usage } = run;
  const tokens = usage?.completion_tokens;
  const rate = tokens > 1 && run.total > run.ttft ? (tokens - 1) / (run.total - run.ttft) : null;
  const known = (header, field) => (told[header] == null ? decision?.[field] : Number(told[header]));
  const cost = known("expected-cost-usd", "expected_cost_usd");
  const title = `run-${at}`;
  return article({ key: at, class: "run", "aria-labelledby": title },
    h3({ id: title }, told.model ?? decision?.model ?? run.asked, " ", span({ class: `badge ${run.state}` }, said[run.state])),
    dl({ class: "facts" },
      fact("Decided", told.reason ?? decision?.reason), fact("Tier", told.tier ?? decision?.tier),
      fact("Score", score(known("score", "score"), decision)), fact("Expected quality", known("expected-quality", "expected_quality")?.toFixed(2)),
      fact("Expected cost", cost == null ? null : usd(cost)), fact("TTFT", run.ttft == null ? null : seconds(run.ttft)),
      fact("Predicted TTFT", decision?.predicted_ttft_s ? seconds(decision.predicted_ttft_s) : null),
      fact("Tokens", usage ? `${count(usage.prompt_tokens)} in, ${count(tokens)} out` : null),
      fact("Tokens/s", rate == null ? null : count(rate)), fact("In all", run.total == null ? null : seconds(run.total))),
    run.error ? p({ class: "warning", role: "alert" }, run.error) : null,
    div({ class: "answer", tabIndex: 0, role: "region", "aria-label": `Answer of ${run.asked}`, "aria-busy": run.state === "streaming" ? "true" : "false" }, run.text),
    decision ? candidates(decision) : null);
}

// Only a trained router gives one, to requests for auto.
const score = (value, decision) => (value == null ? (decision ? "none" : null) : value.toFixed(3));

const candidates = ({ candidates }) => candidates?.length > 1 ? div({ class: "note" }, "In this order, had it failed:",
  ol({ class: "order" }, candidates.map((one) => li({ key: one.model }, `${one.model} (${one.tier || "no tier"})${one.available ? "" : ", does not answer"}`)))) : null;
