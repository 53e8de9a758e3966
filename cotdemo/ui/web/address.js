// The address of the run on show: of a recorded one its name; of any other its settings, which paint it again, and its id,
// by which it is shown at once for as long as it is kept.

import { snippetsOf } from "./snippets.js";

// `known` are the settings there are (cotdemo.ui.data.settings_of); `place` is where the page is, as `location` says it.
export function addressOf({ run, recorded, started }, known, place) {
  const url = `${place.origin}${place.pathname}`;
  const address = new URL(recorded?.name ? url : snippetsOf(started, { url, mcp: false }, known)[0][1]);
  address.searchParams.set("run", recorded?.name || run);
  for (const [name, value] of new URLSearchParams(place.search)) {
    if (name.startsWith("__")) address.searchParams.set(name, value); // Gradio's own, such as __theme
  }
  return address.href;
}
