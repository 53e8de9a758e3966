// The tab bar: Gradio's own, with the address that names the open tab, and arrow keys.

// The tab that an address asks for; the first needs no name.
export function tabOf(hash, names) {
  const wanted = hash.slice(1);
  return names.includes(wanted) ? wanted : names[0];
}

// `bar` is the element of gr.Tabs.
export function followAddress(bar) {
  const list = bar.querySelector('[role="tablist"]');
  const tabs = () => [...list.querySelectorAll('[role="tab"]')];
  const open = () => {
    const wanted = tabOf(location.hash, tabs().map((tab) => tab.dataset.tabId));
    const tab = tabs().find((one) => one.dataset.tabId === wanted);
    if (tab.getAttribute("aria-selected") !== "true") tab.click();
  };
  list.addEventListener("click", (event) => {
    const tab = event.target.closest('[role="tab"]');
    if (!tab) return;
    const name = tab === tabs()[0] ? "" : `#${tab.dataset.tabId}`;
    if (location.hash !== name) history.pushState(history.state, "", `${location.pathname}${location.search}${name}`);
  });
  list.addEventListener("keydown", (event) => {
    const all = tabs();
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const at = all.indexOf(event.target);
    if (!step || at < 0) return;
    const next = all[(at + step + all.length) % all.length];
    next.focus();
    next.click();
  });
  addEventListener("popstate", open); // also of a hash typed into the address
  if (location.hash) open(); // without one, whatever has been clicked before this stays
}
