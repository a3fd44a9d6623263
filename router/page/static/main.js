// The page: one state, drawn as a whole whenever it changes. Nothing is kept but what the gateway told last, so it may stay
// open for days. A key that is pasted in stays in this tab's sessionStorage and goes only to this gateway.
import { render } from "./preact.mjs";
import { tags } from "./dom.js";
import { follow } from "./live.js";
import { Playground } from "./playground.js";
import { latency, models, money, problems, scaling, split, tiles } from "./views.js";

const { a, button, div, form, h, h1, h2, header, input, label, main, p, section, span } = tags;
const KEY = "freehold-key";
const THEME = "freehold-theme";

const root = document.getElementById("page");
const state = { sections: null, live: false, status: 0, message: "", theme: localStorage.getItem(THEME) ?? "" };
let stop = () => {};
let asked = false;

const headers = () => {
  const key = sessionStorage.getItem(KEY);
  return key ? { authorization: `Bearer ${key}` } : {};
};

// Not more often than the screen shows it, and not at all while nobody sees it.
function draw() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => {
    asked = false;
    render(h(Page), root);
    document.title = state.sections ? `${state.sections.fleet.name} · Freehold` : "Freehold";
  });
}

function connect() {
  stop();
  stop = follow(
    headers,
    (sections) => {
      state.sections = { ...state.sections, ...sections };
      draw();
    },
    (found) => {
      const locked = found.status === 401 || found.status === 403;
      Object.assign(state, { message: "", status: 0 }, found, locked ? { sections: null } : {});
      draw();
    },
  );
}

const isDark = () => (state.theme ? state.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches);

function paint() {
  if (state.theme) document.documentElement.dataset.theme = state.theme;
}

function turn() {
  state.theme = isDark() ? "light" : "dark";
  localStorage.setItem(THEME, state.theme);
  paint();
  draw();
}

function unlock(event) {
  event.preventDefault();
  sessionStorage.setItem(KEY, new FormData(event.currentTarget).get("key").trim());
  connect();
}

function lock() {
  sessionStorage.removeItem(KEY);
  state.sections = null;
  connect();
}

function connection() {
  if (state.live) return ["live", "Live"];
  if (state.status === 401 || state.status === 403) return ["locked", "Locked"];
  return state.sections ? ["lost", "Connection lost; trying again"] : ["lost", state.message || "Connecting"];
}

function top() {
  const [kind, words] = connection();
  return header(null,
    a({ class: "skip", href: "#main" }, "Skip to the figures"),
    div({ class: "bar" },
      h1(null, span({ class: "mark", "aria-hidden": "true" }, "F"), state.sections?.fleet.name ?? "Freehold"),
      p({ class: `connection ${kind}`, role: "status" }, words),
      div({ class: "actions" },
        sessionStorage.getItem(KEY) && state.sections ? button({ class: "plain", onClick: lock }, "Forget the key") : null,
        button({ class: "plain", "aria-pressed": isDark() ? "true" : "false", onClick: turn }, "Dark"))));
}

const door = () => section({ class: "panel door", "aria-labelledby": "door-title" },
  h2({ id: "door-title" }, "An admin key, please"),
  p({ class: "note", id: "door-note" }, "It stays in this browser tab and is gone when you close it."),
  form({ onSubmit: unlock },
    div({ class: "field" }, label({ for: "key" }, "Key"), input({ id: "key", name: "key", type: "password", required: true, autoComplete: "off", "aria-describedby": "door-note" })),
    button({ type: "submit" }, "Show the fleet")),
  sessionStorage.getItem(KEY) ? p({ class: "warning", role: "alert" }, state.message) : null);

const refused = () => section({ class: "panel door" }, h2(null, "Not from here"), p(null, state.message));

function body() {
  const found = state.sections;
  if (found) {
    return [tiles(found), models(found), div({ class: "columns" }, split(found), latency(found)),
      h(Playground, { fleet: found.fleet, headers }), div({ class: "columns three" }, money(found), scaling(found), problems(found))];
  }
  if (state.status === 401 || (state.status === 403 && sessionStorage.getItem(KEY))) return door();
  return state.status === 403 ? refused() : p({ class: "note" }, "Waiting for the gateway.");
}

const Page = () => [top(), main({ id: "main", tabIndex: -1 }, body())];

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
paint();
draw();
connect();
