"use strict";

// Everything that comes from a file or from the server enters the page as text, never as markup.

const WORDS = {
  authentic: "No sign of manipulation found",
  manipulated: "Manipulated",
  suspicious: "Suspicious",
  cannot_tell: "Cannot tell",
  not_applicable: "Nothing to judge",
};
const PARTS = { video: "picture", audio: "sound", sync: "lips and speech", fused: "all together" };
const POLL_MS = 1000;

const [drop, input, state, progress, answer] =
  ["drop", "file", "state", "progress", "answer"].map((id) => document.getElementById(id));

function element(name, text = "", className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

function say(text, share) {
  state.textContent = text;
  progress.hidden = share === undefined;
  if (share === null) progress.removeAttribute("value");
  else if (share !== undefined) progress.value = share;
}

function upload(file) {
  answer.hidden = true;
  if (file.size > document.body.dataset.maxMb * 1e6) {
    fail({ message: `${file.name} is over ${document.body.dataset.maxMb} MB` });
    return;
  }
  const request = new XMLHttpRequest();
  request.open("POST", `jobs?name=${encodeURIComponent(file.name)}`);
  request.responseType = "json";
  request.upload.onprogress = (event) => say(`Sending ${file.name}`, event.loaded / file.size);
  request.onerror = () => fail({ message: "The connection broke; try again." });
  request.onload = () => {
    if (request.status === 202) {
      history.replaceState(null, "", `#${request.response.id}`);
      follow(request.response.id);
    } else fail(request.response?.error ?? { message: `The server said ${request.status}.` });
  };
  say(`Sending ${file.name}`, 0);
  request.send(file);
}

async function follow(id) {
  const job = `jobs/${encodeURIComponent(id)}`;
  let found;
  try {
    found = await (await fetch(job)).json();
  } catch {
    say("The server does not answer; trying again", null);
    setTimeout(follow, 3 * POLL_MS, id);
    return;
  }
  if (found.state === "waiting" || found.state === "running") {
    say(found.ahead ? `${found.name}: ${found.ahead} before it` : `Judging ${found.name}`, null);
    setTimeout(follow, POLL_MS, id);
  } else if (found.verdict) show(found.verdict, found.report && `${job}/report`);
  else fail(found.error);
}

function fail(error) {
  say("");
  answer.replaceChildren(element("p", error.message, "verdict error"));
  answer.hidden = false;
}

const number = (value, digits = 2) => (value === null ? "–" : value.toFixed(digits));

function list(reasons) {
  const made = element("ul");
  made.append(...reasons.map((reason) => element("li", reason.message)));
  return made;
}

function table(heads, rows) {
  const made = element("table");
  const line = (kind, cells) => {
    const row = made.insertRow();
    for (const cell of cells) {
      const numeric = typeof cell === "object";
      row.append(element(kind, numeric ? cell.number : cell, numeric ? "number" : ""));
    }
  };
  line("th", heads);
  rows.forEach((row) => line("td", row));
  return made;
}

function timeline(ranges, seconds) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const bar = (x, width, className) => {
    const made = document.createElementNS(svg.namespaceURI, "rect");
    made.setAttribute("class", className);
    const place = { x: `${100 * x}%`, width: `${100 * width}%`, y: "15%", height: "70%" };
    for (const [name, value] of Object.entries(place)) made.setAttribute(name, value);
    svg.append(made);
  };
  bar(0, 1, "track");
  for (const { start_s, end_s } of ranges) {
    bar(start_s / seconds, Math.max((end_s - start_s) / seconds, 0.004), "range");
  }
  return svg;
}

function show(verdict, report) {
  say("");
  const told = (part) => [WORDS[part.verdict] ?? part.verdict, { number: number(part.score) }];
  const parts = [
    element("p", WORDS[verdict.verdict] ?? verdict.verdict, `verdict ${verdict.verdict}`),
    ...verdict.warnings.map((warning) => element("p", warning, "notice")),
    element("p", `${verdict.file}, score ${number(verdict.score)} of 0 to 1`, "unit"),
    list(verdict.reasons),
  ];
  if (report) {
    const link = element("a", "The report: what was seen and heard, window by window");
    Object.assign(link, { href: report, target: "_blank", rel: "noopener" });
    const line = element("p");
    line.append(link);
    parts.push(line);
  }
  const modalities = Object.entries(verdict.modalities);
  if (modalities.length) {
    const rows = modalities.map(([name, part]) => [PARTS[name] ?? name, ...told(part)]);
    parts.push(element("h2", "What was judged"), table(["", "", { number: "score" }], rows));
  }
  if (verdict.ranges.length) {
    parts.push(element("h2", "Where"));
    if (verdict.duration_s) parts.push(timeline(verdict.ranges, verdict.duration_s));
    const rows = verdict.ranges.map((range) => [
      `${number(range.start_s, 1)} to ${number(range.end_s, 1)} s`,
      PARTS[range.modality] ?? range.modality,
      { number: number(range.score) },
    ]);
    parts.push(table(["", "", { number: "score" }], rows));
  }
  if (verdict.faces.length > 1) {
    const rows = verdict.faces.map((face) => [
      `face ${face.track}, ${number(face.start_s, 1)} to ${number(face.end_s, 1)} s`,
      ...told(face),
    ]);
    parts.push(element("h2", "Faces"), table(["", "", { number: "score" }], rows));
  }
  parts.push(element("h2", "For the record"), record(verdict));
  answer.replaceChildren(...parts);
  answer.hidden = false;
}

function record(verdict) {
  const made = element("dl");
  const facts = {
    "sync offset": verdict.sync_offset_ms === null ? "–" : `${verdict.sync_offset_ms} ms`,
    duration: verdict.duration_s === null ? "–" : `${number(verdict.duration_s, 1)} s`,
    "file, sha256": verdict.sha256 ?? "–",
    detector: `${verdict.model.name}, ${verdict.model.sha256}`,
  };
  for (const [name, value] of Object.entries(facts)) {
    made.append(element("dt", name), element("dd", value));
  }
  return made;
}

input.addEventListener("change", () => input.files.length && upload(input.files[0]));
for (const kind of ["dragover", "drop", "dragleave"]) {
  window.addEventListener(kind, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", kind === "dragover");
    if (kind === "drop" && event.dataTransfer.files.length) upload(event.dataTransfer.files[0]);
  });
}
if (location.hash.length > 1) follow(location.hash.slice(1));
