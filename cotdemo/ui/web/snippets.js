// Settings as something to paste elsewhere: a link, Python, a shell's command line, a client of this page, an agent.
//
// A prompt is anything that can be typed or came with a link, so each language's own quoting is used throughout.

// `form` holds the settings, `place` is {url, mcp}: where this page is served, and whether to agents too; `known` are the
// settings there are, as cotdemo.ui.data.settings_of gives them. What is as usual there, or does not concern the method,
// is left out, and so is an emptied field, which so takes its default.
export function snippetsOf(form, place, known) {
  const named = known.filter(({ name, usual, methods }) => methods.includes(form.method) && form[name] !== usual && (form[name] ?? null) !== null);
  const prompt = plain(form.prompt ?? "");
  const { backend } = form;
  const given = named.filter(({ name }) => name !== "prompt").map(({ name }) => [name, form[name]]);
  const all = [
    ["Link", link(prompt, given, place)],
    ["Python", pythonSearch(prompt, backend, given)],
    ["Shell", commandLine(prompt, [["backend", backend], ...given])],
    ["Client", pythonClient([["prompt", prompt], ...given], place)],
  ];
  return place.mcp ? [...all, ["MCP", agent(place)]] : all;
}

// No setting may hold control characters, and in a terminal they would act as keys.
function plain(text) {
  return text.replace(/\p{Cc}+/gu, " ");
}

function link(prompt, given, { url }) {
  const address = new URL(url);
  address.search = new URLSearchParams([["prompt", prompt], ...given]);
  return address.href;
}

function pythonSearch(prompt, backend, given) {
  const options = given.filter(([name]) => name !== "method").map(([name, value]) => `${name}=${python(value)}`);
  const method = given.find(([name]) => name === "method")[1];
  return `import cotdemo
from cotdemo.run.trace import Trace

backend = cotdemo.load_backend(${python(backend)})
events = cotdemo.search(
    ${python(method)}, backend, ${python(prompt)},
    ${options.join(", ")},
)
trace = Trace.of(events)
trace.save("trace.json")
rows = trace.to_rows()
`;
}

// The prompt stands last, after --, so that one that begins with a dash is no option.
function commandLine(prompt, given) {
  const options = given.map(([name, value]) => option(name.replaceAll("_", "-"), value));
  return `python -m cotdemo generate ${options.join(" ")} --out out/run -- ${shell(prompt)}\n`;
}

function option(name, value) {
  return typeof value === "boolean" ? `--${value ? "" : "no-"}${name}` : `--${name} ${shell(value)}`;
}

function pythonClient(given, { url }) {
  const options = given.map(([name, value]) => `    ${name}=${python(value)},\n`);
  return `import json

from gradio_client import Client

client = Client(${python(url)})
image, said = client.predict(
${options.join("")}    api_name="/generate",
)
print(image, json.loads(said)["verdict"])
`;
}

function agent({ url }) {
  return `${JSON.stringify({ mcpServers: { cotdemo: { url: `${url.replace(/\/$/, "")}/gradio_api/mcp/` } } }, null, 2)}\n`;
}

// A text in JSON is one in Python as well; what can be seen by nobody is spelt out.
function python(value) {
  if (typeof value === "boolean") return value ? "True" : "False";
  const spelt = (unseen) => `\\u${unseen.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return JSON.stringify(value).replace(/[\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g, spelt);
}

// For POSIX shells: within single quotes nothing means anything but the quote.
function shell(value) {
  const text = String(value);
  return /^[\w.+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
