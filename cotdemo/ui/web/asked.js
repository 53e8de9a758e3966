// Whether the form asks for what a run was painted with.

// `form` is {prompt, method, ...} as the form has it; `started` what was asked for then; `known` are the settings there are
// (cotdemo.ui.data.settings_of). The prompt is no matter here, nor a setting that the run did not have.
export function asksOtherwise(form, started, known) {
  const concerned = known.filter(({ name, methods }) => name !== "prompt" && methods.includes(started.method));
  return concerned.some(({ name }) => started[name] !== undefined && form[name] !== started[name]);
}
