// Plots of the last hour, drawn as SVG. Each is also there as words: a legend with figures, and a table on demand.
import { Component } from "./preact.mjs";
import { clock, count, tags } from "./dom.js";

const { caption, details, div, figcaption, figure, g, line, p, path, rect, span, summary, svg, table, tbody, td, th, thead, tr } = tags;
const WIDTH = 600;
const HEIGHT = 150;

const x = (at, length) => (length < 2 ? 0 : (at / (length - 1)) * WIDTH);

// A line with gaps where nothing is known.
function trace(values, top) {
  let drawn = "";
  let before = false;
  values.forEach((value, at) => {
    if (value != null) {
      const point = `${x(at, values.length).toFixed(1)} ${(HEIGHT - (value / top) * HEIGHT).toFixed(1)}`;
      const alone = !before && values[at + 1] == null;
      drawn += `${before ? "L" : "M"}${point}${alone ? "h0.01" : ""}`;
    }
    before = value != null;
  });
  return drawn;
}

// The next 1, 2 or 5 times a power of ten.
function round(value) {
  const unit = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * unit).find((step) => step >= value * 0.999);
}

// props: title, until (Unix seconds of the latest minute), series [{name, key, values}], format, stacked, promise
export class Plot extends Component {
  constructor(props) {
    super(props);
    this.state = { at: null, open: false };
    this.point = (event) => {
      const box = event.currentTarget.getBoundingClientRect();
      const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
      this.setState({ at: Math.round(share * (this.length() - 1)) });
    };
    this.leave = () => this.setState({ at: null });
    this.toggle = (event) => this.setState({ open: event.currentTarget.open });
  }

  length() {
    return this.props.series[0]?.values.length ?? 0;
  }

  top() {
    const { series, stacked, promise } = this.props;
    const sums = Array.from({ length: this.length() }, (_, at) => series.map((one) => one.values[at] ?? 0));
    const highest = sums.map((each) => (stacked ? each.reduce((all, one) => all + one, 0) : Math.max(0, ...each)));
    return round(Math.max(promise ?? 0, ...highest) || 1);
  }

  render({ title, series, format = count, stacked, promise, until, note }, { at, open }) {
    const length = this.length();
    const top = this.top();
    const shown = at ?? length - 1;
    const when = at == null ? "this minute" : clock(until - (length - 1 - at) * 60);
    const drawn = stacked ? this.bars(series, top) : series.map((one) => path({ key: one.key, class: `trace ${one.key}`, d: trace(one.values, top) }));
    return figure({ class: "plot" },
      figcaption(null,
        span({ class: "plot-title" }, title),
        span({ class: "legend" },
          span({ class: "when" }, when),
          series.map((one) => span({ key: one.key, class: `key ${one.key}` }, `${one.name} `, span({ class: "figure" }, format(one.values[shown])))))),
      div({ class: "canvas", "aria-hidden": "true", onPointerMove: this.point, onPointerLeave: this.leave },
        span({ class: "top" }, format(top)),
        svg({ viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", focusable: "false" },
          [0, 0.5, 1].map((part) => line({ key: part, class: "grid", x1: 0, x2: WIDTH, y1: HEIGHT * part, y2: HEIGHT * part })),
          drawn,
          promise ? line({ class: "promise", x1: 0, x2: WIDTH, y1: HEIGHT - (promise / top) * HEIGHT, y2: HEIGHT - (promise / top) * HEIGHT }) : null,
          at == null ? null : line({ class: "cursor", x1: x(at, length), x2: x(at, length), y1: 0, y2: HEIGHT })),
        span({ class: "from" }, "an hour ago"), span({ class: "to" }, "now")),
      promise ? p({ class: "note" }, span({ class: "dash", "aria-hidden": "true" }), `promised: p95 within ${format(promise)}`) : null,
      note ? p({ class: "note" }, note) : null,
      details({ onToggle: this.toggle }, summary(null, "As a table"), open ? this.table(title, series, format, until) : null));
  }

  bars(series, top) {
    const length = this.length();
    const width = WIDTH / length;
    const below = new Array(length).fill(0);
    return series.map((one) => g({ key: one.key, class: `bars ${one.key}` }, one.values.map((value, at) => {
      if (!value) return null;
      below[at] += value;
      const y = HEIGHT - (below[at] / top) * HEIGHT;
      return rect({ key: at, x: (at + 0.12) * width, width: width * 0.76, y, height: (value / top) * HEIGHT });
    })));
  }

  table(title, series, format, until) {
    const length = this.length();
    const rows = Array.from({ length }, (_, at) => length - 1 - at).filter((at) => series.some((one) => one.values[at]));
    return div({ class: "scroll", tabIndex: 0, role: "region", "aria-label": `${title}, as a table` }, table(null,
      caption(null, `${title}, minute by minute; minutes without answers are left out`),
      thead(null, tr(null, th({ scope: "col" }, "Minute"), series.map((one) => th({ key: one.key, scope: "col" }, one.name)))),
      tbody(null, rows.map((at) => tr({ key: at }, th({ scope: "row" }, clock(until - (length - 1 - at) * 60)), series.map((one) => td({ key: one.key }, format(one.values[at]))))))));
  }
}
