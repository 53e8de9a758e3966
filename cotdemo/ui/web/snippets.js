// Settings as something to paste elsewhere: a link, Python, a shell's command line, a client of this page, an agent.
//
// A prompt is anything that can be typed or came with a link, so each language's own quoting is used throughout.

// `form` holds the settings, `place` is {url, mcp}: where this page is served, and whether to agents too.
export function snippetsOf(form, place) {
  const settings = { ...form, prompt: plain(form.prompt ?? "") };
  if (settings.method !== "parm++" || settings.repaint === (settings.backend === "mini" ? "whole" : "region")) delete settings.repaint;
  if (settings.judge_from === 1) delete settings.judge_from;
  if (settings.stopping === "paper") delete settings.stopping;
  const all = [
    ["Link", link(settings, place)],
    ["Python", pythonSearch(settings)],
    ["Shell", commandLine(settings)],
    ["Client", pythonClient(settings, place)],
  ];
  return place.mcp ? [...all, ["MCP", agent(place)]] : all;
}

const NAMES = ["method", "model", "paths", "steps", "guidance", "temperature", "seed", "judge_from", "stopping", "repaint"];

// What is set, in order; an emptied field is left out, and so takes its default.
function given(settings, names) {
  return names.filter((name) => settings[name] !== null && settings[name] !== undefined).map((name) => [name, settings[name]]);
}

// No setting may hold control characters, and in a terminal they would act as keys.
function plain(text) {
  return text.replace(/\p{Cc}+/gu, " ");
}

function link(settings, { url }) {
  const address = new URL(url);
  address.search = new URLSearchParams(given(settings, ["prompt", ...NAMES]));
  return address.href;
}

function pythonSearch(settings) {
  const options = given(settings, NAMES.slice(1)).map(([name, value]) => `${name}=${python(value)}`);
  return `import cotdemo
from cotdemo.trace import Trace

backend = cotdemo.load_backend(${python(settings.backend)})
events = cotdemo.search(
    ${python(settings.method)}, backend, ${python(settings.prompt)},
    ${options.join(", ")},
)
trace = Trace.of(events)
trace.save("trace.json")
rows = trace.to_rows()
`;
}

// The prompt stands last, after --, so that one that begins with a dash is no option.
function commandLine(settings) {
  const options = given(settings, ["backend", ...NAMES]).map(([name, value]) => `--${name.replace("_", "-")} ${shell(value)}`);
  return `python -m cotdemo generate ${options.join(" ")} --out out/run -- ${shell(settings.prompt)}\n`;
}

function pythonClient(settings, { url }) {
  const options = given(settings, ["prompt", ...NAMES]).map(([name, value]) => `    ${name}=${python(value)},\n`);
  return `from gradio_client import Client

client = Client(${python(url)})
made = client.predict(
${options.join("")}    api_name="/generate",
)
print(made["verdict"])
`;
}

function agent({ url }) {
  return `${JSON.stringify({ mcpServers: { cotdemo: { url: `${url.replace(/\/$/, "")}/gradio_api/mcp/` } } }, null, 2)}\n`;
}

// A text in JSON is one in Python as well; what can be seen by nobody is spelt out.
function python(value) {
  const spelt = (unseen) => `\\u${unseen.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return JSON.stringify(value).replace(/[\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g, spelt);
}

// For POSIX shells: within single quotes nothing means anything but the quote.
function shell(value) {
  const text = String(value);
  return /^[\w.+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
