// The figures, as they come: server-sent events read by fetch, which unlike EventSource can bring a key along.
// One connection at a time; a lost or silent one is made again, later and later, and at once when the network is back.

const FIRST_MS = 1000;
const LONGEST_MS = 30000;
const SILENT_MS = 15000; // the gateway says something every two seconds
const LONGEST_LINE = 4 << 20;

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

// Why a request was refused, in the gateway's own words.
export async function refusal(response) {
  const told = await response.json().catch(() => null);
  return new Refused(response.status, told?.error?.message ?? `The gateway answered ${response.status}.`);
}

// Each "data:" of a stream; "alive" is called with whatever comes.
export async function* events(response, alive = () => {}) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      alive();
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      if (rest.length > LONGEST_LINE) throw new Error("a line without an end");
      for (const line of lines) if (line.startsWith("data:")) yield line.slice(5).trim();
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

// Calls "onSections" with what has changed and "onState" with how the connection is, until "stop" of it is called.
export function follow(headers, onSections, onState) {
  let stopped = false;
  let wait = FIRST_MS;
  let wake = () => {};
  let cut = new AbortController();

  const once = async () => {
    cut = new AbortController();
    let silent = setTimeout(() => cut.abort(), SILENT_MS);
    const alive = () => {
      clearTimeout(silent);
      silent = setTimeout(() => cut.abort(), SILENT_MS);
    };
    try {
      const response = await fetch("/admin/overview", {
        headers: { accept: "text/event-stream", ...headers() },
        cache: "no-store",
        signal: cut.signal,
      });
      if (!response.ok) throw await refusal(response);
      for await (const data of events(response, alive)) {
        wait = FIRST_MS;
        onSections(JSON.parse(data));
        onState({ live: true });
      }
    } finally {
      clearTimeout(silent);
    }
  };

  const loop = async () => {
    while (!stopped) {
      let error = null;
      try {
        await once();
      } catch (caught) {
        error = caught;
      }
      if (stopped) return;
      const refused = error instanceof Refused ? error : null;
      onState({ live: false, status: refused?.status ?? 0, message: refused?.message ?? "" });
      if (refused && [401, 403].includes(refused.status)) return; // only another key helps
      const pause = wait * (0.75 + Math.random() / 2); // so that many pages do not come back at once
      wait = Math.min(wait * 2, LONGEST_MS);
      await new Promise((resolve) => {
        wake = resolve;
        setTimeout(resolve, pause);
      });
    }
  };

  const now = () => wake();
  addEventListener("online", now);
  loop();
  return () => {
    stopped = true;
    removeEventListener("online", now);
    cut.abort();
    wake();
  };
}
